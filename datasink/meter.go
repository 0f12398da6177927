package datasink

import "sync"

// meter adds up bytes from several goroutines and tells one at a time.
type meter struct {
	tell func(Progress) // may be nil
	mu   sync.Mutex
	p    Progress
}

func (m *meter) add(n int) {
	if m.tell == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.p.Done += int64(n)
	if m.p.Total >= 0 && m.p.Total < m.p.Done {
		m.p.Total = m.p.Done // an expected length may be wrong
	}
	m.tell(m.p)
}

// finish says that what is done is all.
func (m *meter) finish() {
	if m.tell == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.p.Total = m.p.Done
	m.tell(m.p)
}
