package governance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
)

// pending has what was written and not waited for: the last transaction of each
// view. In one view the network commits in order, so the last stands for all.
type pending struct {
	mu    sync.Mutex
	views map[string]pendingView
}

type pendingView struct {
	call   call // the last write's, without its body
	id     string
	seqno  string
	writes int
}

func (p *pending) add(c call, id string) {
	view, seqno, _ := strings.Cut(id, ".")
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.views == nil {
		p.views = map[string]pendingView{}
	}
	v := p.views[view]
	v.writes++
	if larger(seqno, v.seqno) {
		v.call, v.id, v.seqno = call{op: c.op, path: c.path}, id, seqno
	}
	p.views[view] = v
}

// larger compares numbers of any length, as their text.
func larger(a, b string) bool {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}

func (p *pending) list() map[string]pendingView {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.views)
}

// settled forgets a view, unless more was written in it meanwhile.
func (p *pending) settled(view string, v pendingView) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.views[view].id == v.id {
		delete(p.views, view)
	}
}

func (w *wire) waitCommitted(ctx context.Context) error {
	var errs []error
	for view, v := range w.pending.list() {
		c := v.call
		if v.writes > 1 {
			c.op = fmt.Sprintf("%d writes up to %s", v.writes, c.op)
		}
		err := w.committed(ctx, c, v.id)
		if err == nil || errors.Is(err, ErrTransactionLost) {
			w.pending.settled(view, v)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
