"""The register of ambiguities: where the specifications contradict themselves or leave room, and what was decided.

Rules refer to entries by id. `admits` says which reactions are in the allowed set because of the entry; an entry that
admits one reading only is here so that nobody has to decide it again.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """One open question of the specifications, its readings in our words, and the decision."""

    id: str
    sections: tuple[str, ...]
    readings: tuple[str, ...]
    admits: str
    decision: str
    #: Ids of the RFC editor's errata that bear on it.
    errata: tuple[int, ...] = ()


REGISTER: dict[str, Ambiguity] = {
    entry.id: entry
    for entry in (
        Ambiguity(
            "crossing-syn-ack",
            ("RFC 9293 §3.5", "RFC 9293 §3.10.7.4 first", "RFC 9293 §A.2"),
            (
                "Figure 7: the SYN+ACK with SEQ=IRS establishes the connection, without an answer.",
                "Table 6: SEQ=RCV.NXT-1 is out of the window, so an ACK is sent and the segment dropped.",
            ),
            "ESTABLISHED with no reply or an ACK (figure-7); ACK in SYN-RECEIVED (literal-sequence).",
            "Both: the RFC says both, and appendix A.2 knows it. Under the second the peer's ACK of our ACK establishes"
            " a little later. After a passive open the figure does not apply: the peer has already been answered.",
        ),
        Ambiguity(
            "repeated-syn",
            ("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.8"),
            (
                "A repeated SYN in SYN-RECEIVED is out of the window and draws a bare ACK.",
                "It shows that the SYN+ACK was lost, which may be sent again and carries the same acknowledgment.",
            ),
            "ack, and syn-ack (MAY), both in SYN-RECEIVED.",
            "Both. Retransmitting is always open to a sender, and MUST-58 lets one segment do for both.",
        ),
        Ambiguity(
            "syn-received-ack",
            ("RFC 9293 §3.10.7.4 fifth", "RFC 793 §3.9"),
            (
                "SND.UNA < SEG.ACK (RFC 9293, as the erratum asked).",
                "SND.UNA =< SEG.ACK (RFC 793): the ISS itself would do.",
            ),
            "RST for SEG.ACK=ISS.",
            "The first only: RFC 9293 has taken up the erratum.",
            errata=(3301,),
        ),
        Ambiguity(
            "syn-received-order",
            ("RFC 9293 §3.5.2 group 2", "RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.7.4 fourth"),
            (
                "Before synchronization any unacceptable ACK draws a reset.",
                "The sequence check and the SYN check come first, and answer otherwise.",
            ),
            "rst(seq=seg.ack) in SYN-RECEIVED, beside what the first or fourth check says.",
            "Both: the two sections are equally normative and neither names the other.",
        ),
        Ambiguity(
            "syn-received-ack-range",
            ("RFC 9293 §3.10.7.4 fifth", "RFC 5961 §5.2", "RFC 9293 §3.5.2 group 2"),
            (
                "The range check of RFC 5961 stands before the states and answers with an ACK.",
                "SYN-RECEIVED answers an unacceptable ACK with a reset, as figures 8 and 11 need it.",
            ),
            "rst(seq=seg.ack) always, ack under rfc5961-ack (MAY).",
            "Both, the reset being the rule: RFC 5961 protects data, and there is none yet.",
        ),
        Ambiguity(
            "syn-sent-rst",
            ("RFC 9293 §3.10.7.3 second", "RFC 9293 §3.5.3", "RFC 5961 §3.2"),
            (
                "Stacks with RFC 5961 first compare the sequence number with RCV.NXT.",
                "In SYN-SENT there is no RCV.NXT: the acknowledgment of our SYN is the validation.",
            ),
            "CLOSED, without regard to SEG.SEQ.",
            "The second only, as the erratum and RFC 5961 itself say. The signal is the section's connection reset;"
            " socket interfaces call it refused.",
            errata=(8167,),
        ),
        Ambiguity(
            "syn-sent-text",
            ("RFC 9293 §3.10.7.3 fourth", "RFC 9293 §3.10.7.3 first", "RFC 9293 §3.10.7.4 eighth"),
            (
                "The SYN is acknowledged at once, text and FIN behind it separately.",
                "One ACK does for all of them.",
                "The text is not taken and comes again.",
            ),
            "One ACK or two, CLOSE-WAIT if there is a FIN; with text also an ACK of the SYN alone and ESTABLISHED.",
            "All three with text. A FIN alone must be taken: the eighth check finds the state ESTABLISHED.",
        ),
        Ambiguity(
            "listen-syn-fin",
            ("RFC 9293 §3.10.7.2 third", "RFC 9293 §3.10.7.4 eighth", "RFC 9293 §3.5"),
            (
                "Text and FIN on the first SYN are queued until the connection is established.",
                "They are processed in SYN-RECEIVED at once, which the eighth check would turn into CLOSE-WAIT.",
                "Text that is queued is acknowledged with the SYN.",
            ),
            "syn-ack with ACK=SEG.SEQ+1, or behind the text (MAY), and SYN-RECEIVED.",
            "The first and the third: nothing may reach the application before the handshake is complete (§3.5), and no"
            " sentence forbids to acknowledge what is kept. A FIN stays for later.",
        ),
        Ambiguity(
            "return-to-listen",
            ("RFC 9293 §3.10.7.4 second", "RFC 9293 §3.10.7.4 fourth"),
            (
                "The one connection record goes back to LISTEN.",
                "The listener is another record: the attempt is deleted, and without a listener nothing is left.",
            ),
            "LISTEN while the listener is open, else CLOSED.",
            "Decided by the connection's `listener_open`; from outside both readings look the same.",
        ),
        Ambiguity(
            "trimmed-syn",
            ("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.7.4 fourth", "RFC 5961 §4.2"),
            (
                "A segment that begins left of the window is trimmed, its SYN included; the rest is processed.",
                "A SYN left of the window is answered with an ACK by the first check, as the fourth check presumes.",
                "Table 6 accepts the segment for its text, and the fourth check sees the SYN.",
            ),
            "ack; the rest of the segment after a passive open in SYN-RECEIVED, elsewhere under rfc793-syn.",
            "The first two. 'Only the new parts are processed' and 'If the SYN is not in the window, this step would"
            " not be reached' rule out the third: an old SYN neither returns to LISTEN nor resets. RFC 5961 challenges"
            " a SYN whatever its number, which leaves trimming to those who do not follow it.",
        ),
        Ambiguity(
            "rst-overlap",
            ("RFC 9293 §3.5.3", "RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.7.4 second"),
            (
                "A reset is validated by its number: left of the window it is dropped.",
                "Its text reaches into the window, table 6 accepts it, trimming makes it begin at RCV.NXT.",
            ),
            "No reaction always; the reset also takes effect under rfc793-rst.",
            "RFC 5961 decides by SEG.SEQ and drops it; without it both readings stand.",
        ),
        Ambiguity(
            "zero-window-rst",
            ("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.4", "MUST-66", "RFC 9293 §3.5.3", "SHLD-2"),
            (
                "With a closed window a reset with text is not acceptable and is dropped.",
                "RST is processed even then.",
            ),
            "At RCV.NXT a reset takes effect with or without text; elsewhere it is dropped.",
            "The second only: MUST-66 is explicit, and SHLD-2 allows text on a reset.",
        ),
        Ambiguity(
            "zero-window-ack",
            ("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.4", "MUST-66", "RFC 9293 §3.8.6.1"),
            (
                "Text or FIN at RCV.NXT with a closed window: the whole segment is dropped after an ACK.",
                "Text and FIN are dropped, the acknowledgment and the urgent pointer are processed.",
            ),
            "An ACK in both; the state moves or not where the segment acknowledges our SYN or FIN; in LAST-ACK also no"
            " reply and CLOSED. Where data is received, an urgent pointer ahead is signalled in both.",
            "Both; MUST-66 leaves no choice about the urgent pointer. The allowance is made for segments at RCV.NXT, as"
            " window probes are. A zero window 'must still' be announced (§3.8.6.1) while there is a connection, and in"
            " LAST-ACK the ACK may end it before that.",
        ),
        Ambiguity(
            "gap-ack",
            ("RFC 9293 §3.10.7.4 first", "SHLD-31", "RFC 9293 §3.10.7.4 fifth"),
            (
                "A segment above a gap is held as a whole and its ACK counts when the gap is filled.",
                "Its ACK counts on arrival; only text and FIN wait.",
            ),
            "The state after the ACK, or the state before it, for segments with text or FIN in SYN-RECEIVED and"
            " FIN-WAIT-1. While the segment is held, MAY-13 allows an ACK in FIN-WAIT-1, nothing does in SYN-RECEIVED.",
            "Both, and only for a new, believable ACK on a segment that occupies sequence space: a pure ACK has nothing"
            " that could wait, and unacceptable ones must be answered (§3.5.2). In CLOSING and LAST-ACK the peer's FIN"
            " has ended its text: no gap will ever be filled there, so the ACK counts.",
        ),
        Ambiguity(
            "above-the-gap",
            ("RFC 9293 §3.10.7.4 seventh", "MAY-13", "RFC 9293 §3.8.6.3"),
            (
                "A segment in the window but not at its left edge is held in silence.",
                "It is answered with an ACK of RCV.NXT.",
            ),
            "none, and ack (MAY). A FIN above the gap is not processed.",
            "Both, for pure ACKs too: MAY-13 speaks of any valid segment.",
        ),
        Ambiguity(
            "too-old-ack",
            ("RFC 9293 §3.10.7.4 fifth", "MAY-12", "RFC 5961 §5.2", "RFC 793 §3.9"),
            (
                "An ACK below SND.UNA-MAX.SND.WND condemns the segment: an ACK is sent, the rest dropped.",
                "It is a duplicate like others: the ACK is ignored, text and FIN are processed.",
                "MAX.SND.WND is hard-coded to the largest permissible window: only ACKs below that are condemned.",
            ),
            "ack (rfc5961-ack); what the text and FIN ask for (rfc793-ack; from SND.UNA-65535 on hard-coded-window).",
            "Chosen by policy. The constant is an explicit choice of RFC 5961 §5.2, so a stack that uses it says so.",
        ),
        Ambiguity(
            "closing-ignores",
            ("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth"),
            (
                "CLOSING ignores a segment that does not acknowledge our FIN, a second FIN included.",
                "The eighth check lists CLOSING among the states in which a FIN is acknowledged.",
            ),
            "No reply in CLOSING; to a second FIN also what the eighth check says (MAY).",
            "'Ignore the segment' is the rule, but the eighth check would list CLOSING for nothing if no FIN could"
            " reach it: one that acknowledges our FIN finds the state TIME-WAIT.",
        ),
        Ambiguity(
            "text-after-fin",
            ("RFC 9293 §3.10.7.4 seventh", "RFC 9293 §3.6.1", "SHLD-3"),
            (
                "Text after the peer's FIN is ignored.",
                "It is an error that an ACK or a reset should answer.",
            ),
            "No reply.",
            "The first only: the section says so, and neither other answer has a text behind it.",
        ),
        Ambiguity(
            "second-fin",
            ("RFC 9293 §3.10.7.4 eighth",),
            (
                "Every FIN that passes the checks advances RCV.NXT and is acknowledged.",
                "The first FIN ended the sequence space: a second one is acknowledged with RCV.NXT as it is.",
                "A FIN behind ignored text or a gap is not in sequence and not processed.",
            ),
            "ack-new or ack at RCV.NXT; none or ack above a gap or behind text. The state remains.",
            "All: the section is literal about the ACK, and the ordering rule about what is in sequence. But nothing"
            " acknowledges ignored text: an ACK says that all octets before it have been received (§3.4).",
        ),
        Ambiguity(
            "half-duplex-close",
            ("RFC 9293 §3.6.1", "MAY-1", "SHLD-3", "RFC 9293 §3.10.7.4 seventh", "RFC 1122 §4.2.2.13"),
            (
                "CLOSE leaves the receiving side open: text is acknowledged.",
                "An application that has closed both sides can't read: text draws a reset.",
            ),
            "ack-new; with `reader_gone` also a reset (behind it, alone) and CLOSED or TIME-WAIT (half-duplex-close).",
            "Both, in FIN-WAIT-1 and FIN-WAIT-2: whether close() is the RFC's CLOSE is the interface's choice. Where"
            " this reset leads is said by §3.5.2 only: its sender should enter TIME-WAIT. CLOSED is as for ABORT. What"
            " waits may leave before it. CLOSE queued in SYN-RECEIVED (§3.10.4) may count before that text or behind.",
        ),
        Ambiguity(
            "reset-form",
            ("RFC 9293 §3.10.7.4 fourth", "RFC 9293 §3.5.2", "RFC 9293 §3.10.5", "RFC 9293 §3.6.1", "SHLD-2"),
            (
                "A reset that a segment provokes takes its numbers from that segment.",
                "A reset that aborts a synchronized connection is sent at SND.NXT, as by ABORT.",
                "Such a reset may bear an ACK of RCV.NXT: only its sequence number is looked at (§3.5.3).",
                "A reset may carry text that explains it (§3.5.3), which no figure shows.",
            ),
            "rst(seq=seg.ack) or rst-ack(seq=0), and rst at SND.NXT, bare or with ACK=RCV.NXT; with text or without.",
            "All: the sections that ask for these resets give no form. The fourth check says CLOSED in so many words,"
            " and it is more specific than the general wish that the side which resets enter TIME-WAIT (§3.5.2).",
        ),
        Ambiguity(
            "reset-signal",
            ("RFC 9293 §3.10.7.4 second", "RFC 9293 §3.5.3", "RFC 9293 §3.6", "MUST-12"),
            (
                "In CLOSING, LAST-ACK and TIME-WAIT a reset just deletes the connection.",
                "In every state after the handshake the user is advised.",
            ),
            "No signal in these three states.",
            "The first: it is the more specific text, and the application has had its end of file. Not judged.",
        ),
        Ambiguity(
            "time-wait-fin",
            ("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth"),
            (
                "A retransmitted FIN lies left of the window: it is answered by the first check and dropped.",
                "It is acknowledged, and the wait of 2 MSL begins anew.",
            ),
            "ack, and the wait begins anew if the ACK is one that the fifth check lets pass.",
            "The second: the fifth and eighth check would speak of nothing if the first let no FIN through. Without an"
            " ACK, or with one of something unsent, there is only the first check's answer.",
        ),
        Ambiguity(
            "time-wait-ack",
            ("RFC 9293 §3.10.7.4 fifth",),
            (
                "Only a retransmitted FIN is to be acknowledged in TIME-WAIT.",
                "Whatever comes this far is treated as one.",
            ),
            "none; to text also ack (MAY).",
            "The first for a bare ACK: two endpoints that followed the second would acknowledge each other's ACKs,"
            " which §3.5 rules out. Text can be taken for part of what was sent again.",
        ),
        Ambiguity(
            "time-wait-syn",
            ("RFC 9293 §3.10.7.4 fourth", "RFC 9293 §3.6.1", "MAY-2", "SHLD-4", "RFC 6191 §2", "RFC 5961 §4.2"),
            (
                "A SYN in TIME-WAIT is challenged like in any synchronized state.",
                "It may reopen the connection (MAY-2), with any sequence number.",
                "Timestamps and sequence number decide between reopening and silence (RFC 6191).",
            ),
            "ack (rfc5961-syn), syn-ack (may-2), syn-ack or none (rfc6191).",
            "Chosen by policy. Only a SYN without ACK can be a request. RFC 6191 in force replaces the other answers.",
        ),
        Ambiguity(
            "time-wait-listener",
            ("RFC 6191 §2", "RFC 9293 §3.6.1"),
            (
                "A new SYN reopens the connection from TIME-WAIT.",
                "There must be somebody who listens.",
            ),
            "syn-ack only with `listener_open`; else TIME-WAIT behaves as without these policies.",
            "The second: a request that nobody awaits can't be honoured. Neither document mentions the case.",
        ),
        Ambiguity(
            "time-wait-rst",
            ("RFC 9293 §3.10.7.4 second", "RFC 1337 §3 F1", "RFC 5961 §3.2"),
            (
                "A valid reset ends TIME-WAIT.",
                "TIME-WAIT ignores resets.",
                "A reset in the window, not at RCV.NXT, is challenged in every synchronized state.",
            ),
            "CLOSED; none in TIME-WAIT (rfc1337), and there ack to a reset that is not exact.",
            "Chosen by policy; RFC 1337 in force replaces the end of TIME-WAIT. It is older than the challenge of RFC"
            " 5961 and against none: both leave the wait alone.",
        ),
        Ambiguity(
            "crossing-fin",
            ("RFC 9293 §3.10.7.4 first", "RFC 9293 §A.2", "RFC 9293 §3.5.2 group 3"),
            (
                "In CLOSING the peer's FIN, sent again, is out of the window: it is answered, its ACK not looked at.",
                "In a simultaneous close its ACK must be heard (appendix A.2), and leads to TIME-WAIT.",
            ),
            "ack in CLOSING, and ack in TIME-WAIT (MAY) if it acknowledges our FIN.",
            "Both, here only: A.2 names simultaneous open, self-connects, simultaneous close and simultaneous window"
            " probes, whose rules are crossing-syn-ack, this one and zero-window-ack. Everywhere else an unacceptable"
            " segment leaves the state alone (§3.5.2 group 3), and 'the standard has not been updated'.",
        ),
        Ambiguity(
            "spanning-segment",
            ("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.4"),
            (
                "Table 6 asks whether a segment begins or ends in the window: one that spans it does neither.",
                "It contains expected numbers, it 'overlaps' the window (§3.4 (c)), and its new part is processed.",
            ),
            "ack; what the part inside the window asks for (MAY).",
            "Both: table 6 is the letter, §3.4 says what it is for.",
        ),
        Ambiguity(
            "challenge-throttling",
            ("RFC 9293 §3.10.7.4 second", "RFC 9293 §3.10.7.4 fourth", "RFC 5961 §7"),
            (
                "Every challenge is sent.",
                "A stack throttles its challenges, so that one may be missing.",
            ),
            "ack.",
            "The first: throttling limits many segments, and the model looks at one. Whoever tests many turns it off.",
            errata=(4772,),
        ),
        Ambiguity(
            "fin-acknowledged-later",
            ("RFC 9293 §3.10.7.4 eighth", "RFC 9293 §3.8.6.3", "MUST-40"),
            (
                "The ACK of a FIN is sent when it comes: delayed ACKs are told of a stream of data segments.",
                "It is an ACK as that of text, which the seventh check has sent likewise, and may be delayed.",
            ),
            "ack, at once or within half a second.",
            "Both: MUST-40 bounds the delay of an ACK, whatever it is of; Linux delays a lone FIN's by 40 ms.",
        ),
        Ambiguity(
            "fin-behind-the-window",
            ("RFC 9293 §3.1", "RFC 9293 §3.4", "RFC 9293 §3.8.6"),
            (
                "A FIN has a number, and numbers from SND.UNA+SND.WND on are not yet allowed.",
                "The window is a number of data octets: a FIN behind the last that it holds may go along with it.",
            ),
            "a FIN within the window, or one number behind it.",
            "Both, in `harness.spec.history` only: lwIP and smoltcp do the second, and Linux behind several segments.",
        ),
        Ambiguity(
            "abort-time-wait",
            ("RFC 9293 §3.10.5", "RFC 9293 §3.5.2", "RFC 9293 §3.3.2"),
            (
                "ABORT deletes the connection: CLOSED.",
                "The side that sends a reset should enter TIME-WAIT.",
            ),
            "CLOSED (MUST) or TIME-WAIT (SHOULD) after ABORT with a reset.",
            "Both, in `harness.spec.machine` only.",
        ),
        Ambiguity(
            "second-passive-open",
            ("RFC 9293 §3.10.1", "RFC 9293 §3.9.1.1", "MUST-41"),
            (
                "OPEN in LISTEN without a remote socket is an error because the remote socket is missing.",
                "A passive OPEN on a taken socket is an error because a connection record exists.",
            ),
            "Either error; the listener is not affected.",
            "Both, in `harness.spec.machine` only.",
        ),
    )
}
