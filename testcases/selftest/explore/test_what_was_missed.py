"""Defects that no generated conversation had found, and the rule or the word by which one finds each now."""

import pytest

from harness.case.rig import Rig
from harness.case.violation import Finding
from harness.explore import choice, run
from harness.explore.kinds import KINDS
from harness.explore.notation import generated_from
from harness.stack import Stack
from harness.stack.connection import Connection
from harness.stack.defects import defective
from harness.stack.tcb import Tcb
from harness.targets.reference.target import ReferenceTarget
from harness.targets.registry import Settings, open_target, parse

PASSIVE = "listen S@i A@p,r accept"
SHOWING = {
    "D552": f"{PASSIVE} shutdown A@p,r FA@p,r wait:7000 [A@n,u+1000] wait:150000",
    "D553": "listen S@i A@p,r%0 accept send:100 keep-alive:20 A@p,u%0 " + "wait:5000 A@p,u%0 " * 9,
    "D554": "listen S@i A@p,r%0 accept send:100 await A@p,u%0 await lose:3 A@p,r recover",
    "D555": "connect S@i lose:1 shutdown wait:400000",
    "D556": "listen lose:3 S@i await await await A@p,r accept send:9000",
    "D558": "listen S@i A@p,r A@p+10,r/10 accept A@p,r/10 recv:100",
    "D560": "listen S@i A@p,r%0 accept send:100 shutdown FA@p,u await await A@p,r",
    "D561": "listen S@i A@p,r%100 accept send:100 shutdown A@p,u%40 A@p,r wait:300000",
    "D563": "1{delay=200}:listen S@i A@p,r accept A@p,r/10 R@p close fresh S@i A@p,r accept wait:800",
    "D565": f"{PASSIVE} urgent:10 R@p close fresh S@i A@p,r accept send:10",
    "D566": f"{PASSIVE} A@p,r/10 send:10 wait:4000000 recv:100 recv:1",
    "D567": f"{PASSIVE} shutdown A@p,r fill A@n,u/1",
    "D572": "listen S@i 3:listen 3:unlisten A@p,r accept",
    "D574": f"{PASSIVE} send:100 wait:50 [2{{same-port}}:S@i] [2:A@p,r] [accept] [2:close] [2:FA@p,r] wait:9000",
    "D576": "connect S@i RA@p,r",
    "D577": "1{offer=s}:listen S@i A@p,r accept A@p+10,r/10 A@p,r/10",
    "D578": "1{offer=w3}:connect S@i A@p,r%2 A@p,r%2 send:16 wait:2000",
    "D582": "connect SA@i,r buffer:8000 begin-recv:10 begin-send:60000 A@p,r A@p,r A@p,r A@p,r A@p,r A@p,r A@p,r A@p,r",
    "D584": f"{PASSIVE} send:100 soft@u A@p,r FA@p,r shutdown A@p,r recv:1",
    "D585": f"1{{delay=200}}:{PASSIVE} mark send:100 " + "wait:900 [A@p,u/10] " * 5 + "wait:12000",
    "D586": "listen S@i A@p,r%200 accept FA@p,r%200 close wait:1500 [A@n,u%2000] wait:60000",
    "D590": f"{PASSIVE} close A@p,r R@p fresh S@i A@p,r accept wait:100000",
    "D591": "connect SA@i,r RA@p,r close fresh connect SA@i,r%20 send:100",
    "D594": f"{PASSIVE} shutdown A@p,r FA@p,r wait:200000 [2{{same-port}}:S@i] [2:A@p,r] [accept] [2:close] [2:FA@p,r] "
    "wait:60000",
    "D596": f"1{{offer=w3}}:{PASSIVE} fill recv:1000000 recv:1000000 fill recv:1000000",
    "D598": "connect SA@i,r begin-recv:100 shut-rd",
    "D599": f"{PASSIVE} shutdown FA@p,u A@p,r wait:200000 [A@n-4,n/4] wait:100000",
    "D600": f"{PASSIVE} shutdown wait:500 [A@n,n+1000] wait:20000",
    "D601": f"{PASSIVE} shutdown " + "wait:9130 [A@p,u/10] " * 3 + "wait:100000",
    "D602": "listen S@i A@p,r%0 accept send:100 [A@p,u/5%0] wait:60000",
    "D607": "listen lose:1 S@i await A@p,r R@p accept recv:10",
    "D609": "listen S@i A@p,r%0 accept send:100 shutdown soft@u A@p,r FA@p,r",
    "D610": "listen S@i A@p,r%0 accept FA@p,r%0 send:100 shutdown R@p error",
    "D611": "listen S@i A@p,r%0 accept send:100 shutdown repeat:12 wait:61000 A@p,u%0 end A@p,u",
    "D612": "listen S@i~s A@p,r accept R@p close fresh S@i~m0 A@p,r A@p+10,r/10",
    "D613": f"{PASSIVE} soft@n R@p close fresh S@i A@p,r accept send:10 wait:4000000 recv:1",
    "D614": f"{PASSIVE} shutdown A@p,r FA@p,r unlisten listen fresh S@i A@p,r accept",
    "D619": f"1{{iss=-100}}:{PASSIVE} S@n+1000",
    "D620": f"1{{own-iss=-5}}:{PASSIVE} keep-alive:10 send:4 A@p,r wait:11000",
    "D622": "1{own-iss=-1}:connect RA@i,r",
    "D624": f"{PASSIVE} send:10 [2{{same-port}}:S@i] [2:A@p,r] [accept] " + "wait:40000 [2:send:10] [2:A@p,r] " * 12,
    "D626": "listen S@i A@p,r%2920 accept send:9000 RA@n,u+1460",
    "D628": "listen S@i A@p,r%0 accept send:10 await RA@p,n",
    "D630": f"1{{offer=t}}:{PASSIVE} FA@p,r A@n,r~t-100",
    "D636": "listen begin-accept S@i A@p,r/4",
    "D639": "connect SA@i,r send:100 wait:900 [SA@i,n] wait:60000",
    "D642": f"{PASSIVE} lose:4 send:100 recover A@p,r lose:1 send:100 recover A@p,r",
    "D631": "connect SA@i,r%10~s.w7.t+0 send:100",
    "D632": "1{ip=6,form=extension-headers}:listen S@i",
    "D644": "1{delay=200}:listen S@i A@p,r A@p,r/10 accept wait:800",
    "D655": f"1{{offer=s.t}}:{PASSIVE} send:100 A@p,u/10~b",
    "D674": f"1{{delay=200}}:{PASSIVE} {'A@p,r/1 wait:150 ' * 6}",
    "D676": f"{PASSIVE} keep-alive:9 {'await A@p,r ' * 11} wait:10000",
    "D677": f"{PASSIVE} close A@p,r FA@p,r wait:200000 S@i wait:100000",
    "D686": f"{PASSIVE} A@p,r%0 send:100 shutdown close A@p,r A@p,r",
    "D689": f"{PASSIVE} close A@p,r FA@p,r wait:300000 FA@n-1,r",
    "D691": f"{PASSIVE} FA@e-5,u/10 fill recv:1000000 recv:1000000",
    "D699": f"1{{delay=200}}:{PASSIVE} 2{{same-port}}:S@i 2:A@p,r accept A@p,r/10 2:A@p,r/10 wait:1000",
    "D700": f"{PASSIVE} close FA@p,r repeat:12 *{{same-port}}:S@i *:A@p,r accept *:close *:FA@p,r end FA@n-1,r",
    "D701": "listen S@i A@p,r RA@p,i",
    "D704": "1{offer=t}:connect S@i A@p,r",
    "D707": f"1{{offer=t}}:{PASSIVE} close A@p,r FA@p,r wait:200000 A@n,n~t-100 wait:200000",
    "D709": "1{ip=6,form=hop-by-hop-and-fragments}:listen S@i A@p,r A@p,r/10 accept recv:100",
    "D710": "1{form=fragments-between}:listen S@i",
    "D711": f"{PASSIVE} begin-recv:100 send:100 wait:4000000",
    "D714": f"{PASSIVE} send:100 keep-alive:9 wait:200000 A@p,r",
    "D722": "listen:1 S@i A@p,r unlisten listen:1 2{same-port}:S@i",
    "D729": f"{PASSIVE} A@p+10,u/10 R@n+20",
    "D732": f"1{{form=fragments+ttl-1}}:{PASSIVE} A@p,r/10 recv:10",
    "D735": f"{PASSIVE} send:100 A@p,u%0 A@p,u wait:200000",
    "D736": f"1{{delay=200}}:{PASSIVE} A@p,r/10 recv:100 wait:1170",
    "D737": f"{PASSIVE} FA@p,r timeout:20000 send:100 wait:90000",
    "D741": "listen S@i A@p,r 90{same-port}:S@i 90:A@p,r A@p,r/10 accept recv:100",
    "D744": "[connect] [wait:100000] [RA@i,r] [close] [fresh] unlisten mark connect wait:170000",
    "D745": f"{PASSIVE} shutdown A@p,r FA@p,r close fresh lose:1 S@i await A@p,r",
    "D757": f"1{{offer=w7}}:{PASSIVE} FA@p,r%10 send:100 wait:4000",
    "D765": "listen S@i A@p,r%1000 accept send:100 wait:950 [A@n,u%2000] wait:60000",
    "D776": f"1{{tsval=-4,offer=t}}:{PASSIVE} A@p,r/1 A@p,r/1 A@p,r/1 A@p,r/1 A@p,r/1 A@p,r/1",
    "D778": f"{PASSIVE} close FA@p,r 90{{peer}}:S@i 90:A@p,r accept 90:R@p wait:100",
    "D758": f"1{{offer=t}}:{PASSIVE} send:100 A@n,n~t-100 wait:200000",
    "D788": f"{PASSIVE} send:100 wait:30000 timeout:20000 wait:400000",
    "D794": "listen:1 S@i A@p,r accept shutdown A@p,r FA@p,r 2{same-port}:S@i S@n+1000 wait:1000",
    "D797": "1{offer=m536}:listen S@i A@p,r%0 accept send:1072 shutdown A@p,r A@p,r A@p,r wait:9000",
    "D799": "listen S@i/10 R@n fresh S@i A@p,r accept recv:100",
    "D800": "connect SA@i,r R@p close fresh listen S@i S@n+10",
    "D801": f"{PASSIVE} close A@p,r FA@p,r wait:100000 fresh S@i A@p,r accept close A@p,r FA@p,r wait:200000 FA@n-1,r",
    "D802": f"{PASSIVE} R@p close fresh S@i%1000 A@p,r%1000 accept A@p,u-30000/10%1000",
    "D807": f"1{{own-tsval=-500,offer=t}}:{PASSIVE} wait:500 A@p,r/10",
    "D810": "1{offer=m500}:listen S@i 2{same-port,offer=m1460}:S@i A@p,r accept send:3000",
    "D811": "listen repeat:9 *{same-port}:S@i *:A@p,r accept *:send:10 end wait:400000",
    "D814": f"{PASSIVE} shutdown A@p,r RFA@p,r",
    "D817": "1{offer=t}:listen S@i A@p,r%0 accept send:100 A@p,r~t+0 wait:60000",
    "D825": "edges connect SA@i,r/10 edges",
    "D664": "listen S@i A@p,r%0 accept FA@p,r%0 shutdown await A@p,r%0",
    "D805": f"{PASSIVE} shutdown A@p,r FA@p,r/10 fresh S@i A@p,r accept",
    "D826": f"{PASSIVE} timeout:20000 keep-alive:60 wait:61000 A@p,r",
    "D827": f"{PASSIVE} lose:1 shutdown await A@p,r wait:700000 A@p,r/10 FA@p,r",
    "D828": f"{PASSIVE} A@p,r%0 send:3000 A@p,r%10 wait:200000",
    "D829": f"{PASSIVE} lose:9 send:5840 shutdown A@p,u A@p,u A@p,u A@p,u+5840 wait:200000",
    "D830": f"1{{offer=m536}}:{PASSIVE} lose:1 send:5000 A@p,u A@p,u A@p,u recover",
    "D831": "listen:3 S@i S@i S@i 2{same-port}:S@i 2:A@p,r",
    "D832": "listen:2 S@i~w3.s.t+0 2{same-port,offer=w3.s.t}:S@i 2:A@p,r%1000 accept 2:send:3000",
    "D833": "listen keep-alive:9 S@i A@p,r wait:700000 accept recv:10",
    "D835": "listen S@i A@p,r%0 accept shutdown await A@p,u await",
    "D836": f"{PASSIVE} shutdown A@p,r FA@p,r fresh S@i R@p FA@n-1,n",
    "D837": f"{PASSIVE} shutdown A@p,r FA@p,r close fresh S@i/10 A@p,r accept recv:100",
    "D838": f"{PASSIVE} fill recv:10 A@n,u/1 recv:1000000 recv:1000000 A@p,r",
    "D839": f"{PASSIVE} A@p,r/10 peek:10 recv:10 A@p,r/10 peek:10",
    "D840": f"clock:4294900000 {PASSIVE} keep-alive:100 wait:40000 A@p,r wait:120000 A@p,r",
    "D841": f"1{{delay=200}}:clock:4294967200 {PASSIVE} A@p,r/10 wait:3000",
    "D842": f"1{{iss=-80000}}:{PASSIVE} fill recv:1000000 recv:1000000 fill recv:1000000 recv:1000000 A@p,r/10",
    "D843": "listen 2{same-port,peer,other-ip}:listen S@i 2:S@i A@p,r 2:A@p,r accept 2:accept R@p 2:A@p,r/10 2:recv:10",
    "D844": "1{address}:S@i",
    "D845": f"1{{delay=200}}:{PASSIVE} A@p,r/10 RA@n,r",
    "D846": "listen S@i RA@p,r accept",
    "D847": f"1{{offer=t}}:{PASSIVE} FA@p,r close A@n,n~t-100 wait:1000",
    "D848": f"1{{offer=w6}}:{PASSIVE} A@p,r%1024 send:100 wait:9000",
    "D849": f"1{{form=fragments-copied}}:{PASSIVE} A@p,r/20",
    "D850": f"1{{form=atomic-between,ip=6}}:{PASSIVE}",
    "D851": "listen begin-accept begin-accept S@i A@p,r 2{same-port}:S@i 2:A@p,r",
    "D852": f"{PASSIVE} buffer:8000 A@p,r%0 begin-send:60000 FA@p,r%0 wait:1000 A@p,r A@p,r A@p,r A@p,r A@p,r A@p,r",
    "D855": f"{PASSIVE} lose:9 send:100 begin-close:2000 wait:70000",
    "D857": f"{PASSIVE} shutdown A@p,r FA@p,r/10 wait:200000 FA@n-11,n/10 wait:100000 FA@n-1,n",
    "D866": f"{PASSIVE} fill recv:10 fill recv:1000000 recv:1000000",
    "D867": f"{PASSIVE} A@p,r/10 garbage recv:100",
    "D869": f"[clock:4294967150] {PASSIVE} send:100 wait:200 A@p,r mark lose:1 send:100 wait:130000",
    "D870": f"1{{iss=-5}}:{PASSIVE} A@p+8,u/10%1000 A@p,u/8%0 send:100 await",
    "D871": f"{PASSIVE} keep-alive:10 [2{{same-port}}:S@i] [2:A@p,r] [accept] [2:keep-alive:10] mark wait:100000",
    "D872": "listen 2:listen begin-accept S@i A@p,r",
    "D879": f"1{{ip=6,form=destination-in-fragments}}:{PASSIVE} A@p,r/10",
    "D880": f"{PASSIVE} A@p,r/10~f recv:100",
    "D889": f"{PASSIVE} send:7300 shutdown await",
    "D890": f"{PASSIVE} lose:1 shutdown A@p,r%0 wait:10000",
    "D897": "connect hold SA@i,r close fresh connect late",
    "D898": f"{PASSIVE} close A@p,r FA@p,r fresh S@i FA@n+1000000,n",
    "D904": f"1{{own-iss=2147483640}}:{PASSIVE} send:100 A@p,r",
    "D905": f"{PASSIVE} A@p,r%0 clock:4294966900 send:10 await await await",
    "D915": f"1{{offer=t}}:{PASSIVE} lose:4 send:6000 recover",
    "D917": "1{ip=6,form=routing-header}:listen S@i",
    "D390": f"{PASSIVE} A@p,r%0 timeout:20000 send:10 shutdown wait:90000",
    "D536": "listen S@i A@p,r A@p,r%0 accept send:10",
}


def findings(text: str, stack_class: type[Stack] = Stack) -> list[Finding]:
    rig = Rig(ReferenceTarget(stack_class=stack_class), guarded=False)
    return run.play_generated(rig, generated_from(text)).conversation.findings


@pytest.mark.parametrize(("name", "text"), SHOWING.items())
def test_a_conversation_shows_the_defect_and_the_sound_stack_is_clean(name: str, text: str) -> None:
    assert findings(text) == []
    assert findings(text, defective(name).stack_class) != []


FALLEN_BACK = f"{PASSIVE} shutdown FA@n,n S@n"


@pytest.mark.parametrize("end", ["R@n", "unlisten"])
@pytest.mark.parametrize("then", ["A@n,n", "A@n,u", "A@n,n/4", "FA@n,n", "S@n", "R@n"])
def test_a_syn_that_was_an_old_duplicate_leaves_time_wait_with_its_own_numbers(end: str, then: str) -> None:
    """RFC 9293 §3.6.1, MAY-2 (2)."""
    assert findings(f"{FALLEN_BACK} {end} {then}") == []


class FallsShort(Stack):
    """A stack that falls back to a TIME-WAIT that has forgotten an octet of the peer's."""

    def forget(self, connection: Tcb) -> None:
        """Remove a connection."""
        super().forget(connection)
        kept = self.connections.get(connection.pair)
        if kept is not None:
            kept.rcv_nxt -= 1


def test_a_time_wait_that_comes_back_with_other_numbers_is_found() -> None:
    assert findings(f"{FALLEN_BACK} R@n FA@n,n", FallsShort) != []


class ProbesUnasked(Connection):
    """Keep-alives come without being asked for."""

    def establish(self) -> None:
        self.settings.keep_alive, self.settings.keep_alive_idle_s = True, 30.0
        super().establish()


class Restless(Stack):
    """A stack of such connections."""

    connection_class = ProbesUnasked


def test_keep_alives_come_only_where_they_were_asked_for() -> None:
    assert findings(f"{PASSIVE} keep-alive:30 wait:31000 A@p,r") == []
    assert "MUST-25" in findings(f"{PASSIVE} wait:31000 A@p,r", Restless)[0].cites


@pytest.mark.parametrize("end", ["R@p", "RA@p,r", "A@p,r/10 R@p"])
def test_what_has_ended_in_a_small_queue_gives_its_place_back_when_it_is_accepted(end: str) -> None:
    assert findings(f"listen:1 S@i A@p,r {end}") == []


def test_a_peer_fills_a_window_and_no_more() -> None:
    rig = Rig(ReferenceTarget(), guarded=False)
    outcome = run.begin(rig, generated_from(f"{PASSIVE} fill"), 4)
    assert list(outcome.talk.run()) == []
    view = outcome.talk.link(1).view
    assert view.edge == view.sent_end == view.rcv_nxt > 60_000


def test_what_is_strung_together_comes_early_and_nothing_is_left_out() -> None:
    made = list(KINDS["stray"].made(1))
    spread = [each.name for each in choice.spread(choice.shuffled(made, "1"))]
    assert sorted(spread) == sorted(each.name for each in made)
    strung = {each.name for each in made if each.strung}
    assert len(strung & set(spread[:60])) == 40
    states = {name.partition(".all.")[0] for name in spread[:60] if ".all." in name}
    assert len(states) > 20


@pytest.mark.parametrize("kind", ["crossing", "beside", "full"])
def test_names_are_the_same_each_time_and_differ(kind: str) -> None:
    names = [made.name for made in KINDS[kind].made(1)]
    assert len(set(names)) == len(names) > 200
    assert names == [made.name for made in KINDS[kind].made(2)]


def test_what_one_connection_does_to_another_shows_in_the_same_instant() -> None:
    text = "2:listen 2:S@i 3:listen 3:S@i 3:unlisten 2:R@p"
    assert findings(text) == []
    assert [each.expected for each in findings(text, defective("D572").stack_class)] == ["state SYN-RECEIVED"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("window-opens-behind-the-handshake", "listen S@i~w7.t+0 A@p,r/10 accept send:10"),
        ("keep-alive-with-an-octet", f"{PASSIVE} keep-alive:10 FA@p,r wait:30000"),
        ("time-wait-ignores-resets", f"{PASSIVE} shutdown A@p,r FA@p,r R@n+10 R@n"),
        (
            "time-wait-never-reopened",
            "[listen] [S@i] [A@p,r] [accept] [shutdown] [FA@p,r] [fresh] listen mark S@i wait:170000",
        ),
        ("gaps-acknowledged-with-delay", "1{delay=200}:connect SA@i,r send:100 A@p+10,u/10 wait:1170"),
        ("nagle-off", f"{PASSIVE} A@p,r%0 send:100 {'await A@p,u%0 ' * 7} timeout:20000 wait:900000"),
        ("probes-from-five-seconds-on", f"{PASSIVE} A@p,r%0 timeout:2000 send:10 await A@p,u%0 wait:90000"),
        ("first-rto-45-s", f"{PASSIVE} A@p,r%0 timeout:5000 send:100 await A@p,u%0 await wait:400000"),
        ("probes-with-an-old-octet", "listen S@i A@p,r%200 accept send:100 A@p,u%0 send:50 wait:50000"),
    ],
)
def test_what_was_once_held_against_a_correct_stack_is_clean(name: str, text: str) -> None:
    rig = Rig(open_target(parse(f"reference,variant={name}"), Settings()), guarded=False)
    assert run.play_generated(rig, generated_from(text)).conversation.findings == []
