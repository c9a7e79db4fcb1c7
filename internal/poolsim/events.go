package poolsim

import "container/heap"

// event is something that happens at a time (s).
type event struct {
	at    float64
	order int // of two at the same time, the one that was asked for first
	do    func()
}

// events is the queue of what is to come.
type events struct {
	list []event
	made int
}

func (q *events) Len() int { return len(q.list) }
func (q *events) Less(a, b int) bool {
	if q.list[a].at != q.list[b].at {
		return q.list[a].at < q.list[b].at
	}
	return q.list[a].order < q.list[b].order
}
func (q *events) Swap(a, b int) { q.list[a], q.list[b] = q.list[b], q.list[a] }
func (q *events) Push(x any)    { q.list = append(q.list, x.(event)) }
func (q *events) Pop() any {
	last := q.list[len(q.list)-1]
	q.list = q.list[:len(q.list)-1]
	return last
}

func (q *events) after(now, seconds float64, do func()) {
	q.made++
	heap.Push(q, event{now + seconds, q.made, do})
}

// until does, in order, what is due.
func (q *events) until(now float64) {
	for q.Len() > 0 && q.list[0].at <= now {
		heap.Pop(q).(event).do()
	}
}
