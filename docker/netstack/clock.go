package main

import (
	"container/heap"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// uptime is how long the host has been up when a stack begins: a time of 0 means "never" in places.
const uptime = time.Hour

// clock is time that passes by its owner's word only. Timers run on the goroutine that lets it pass, in the order in
// which they are due; those due in one instant in the order in which they were set, so that each run is the same.
type clock struct {
	now   time.Duration
	set   uint64
	queue queue
}

// timer implements tcpip.Timer.
type timer struct {
	clock *clock
	call  func()
	due   time.Duration
	order uint64
	// index is its place in the queue, -1 for a timer that is not running.
	index int
}

func newClock() *clock { return &clock{now: uptime} }

// Now implements tcpip.Clock.
func (c *clock) Now() time.Time { return time.Unix(0, 0).Add(c.now) }

// NowMonotonic implements tcpip.Clock.
func (c *clock) NowMonotonic() tcpip.MonotonicTime { return tcpip.MonotonicTime{}.Add(c.now) }

// AfterFunc implements tcpip.Clock. What is due at once runs before the command ends.
func (c *clock) AfterFunc(after time.Duration, call func()) tcpip.Timer {
	made := &timer{clock: c, call: call, index: -1}
	made.Reset(after)
	return made
}

// next tells when the first timer is due.
func (c *clock) next() (time.Duration, bool) {
	if len(c.queue) == 0 {
		return 0, false
	}
	return c.queue[0].due, true
}

// run makes the calls that are due, and tells whether there were any.
func (c *clock) run() bool {
	ran := false
	for len(c.queue) > 0 && c.queue[0].due <= c.now {
		heap.Pop(&c.queue).(*timer).call()
		ran = true
	}
	return ran
}

// Stop implements tcpip.Timer.
func (t *timer) Stop() bool {
	if t.index < 0 {
		return false
	}
	heap.Remove(&t.clock.queue, t.index)
	return true
}

// Reset implements tcpip.Timer.
func (t *timer) Reset(after time.Duration) {
	t.Stop()
	t.clock.set++
	t.due, t.order = t.clock.now+after, t.clock.set
	heap.Push(&t.clock.queue, t)
}

// queue implements heap.Interface.
type queue []*timer

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	return q[i].due < q[j].due || q[i].due == q[j].due && q[i].order < q[j].order
}

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *queue) Push(added any) {
	added.(*timer).index = len(*q)
	*q = append(*q, added.(*timer))
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	taken := (*q)[last]
	*q = (*q)[:last]
	taken.index = -1
	return taken
}
