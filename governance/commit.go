package governance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const transactionHeader = "X-Ms-Ccf-Transaction-Id"

// maxCommitWait bounds the wait for a commit, whatever the context allows. A
// network that has not committed by then has lost its majority.
const maxCommitWait = 30 * time.Second

// ErrTransactionLost says that the service executed a write and then dropped it
// because its leader changed. The write has to be made again.
var ErrTransactionLost = errors.New("the write was dropped when the leader of the network changed; make it again")

// ErrNotCommitted says that a write was executed and is not known to be
// committed: after a long wait, at the end of the caller's context, or because
// the service could not be asked. It may still be.
var ErrNotCommitted = errors.New("the write is not committed yet; look for its effect before making it again")

// write sends the call and returns once its transaction is committed, so that
// whoever is told of the result can build on it, or at once if the caller chose
// to wait later. It gives the transaction's id.
func (w *wire) write(ctx context.Context, c call) (*answer, string, error) {
	a, err := w.do(ctx, c)
	if err != nil {
		return nil, "", err
	}
	id := a.header.Get(transactionHeader)
	if id == "" {
		return nil, "", fmt.Errorf("governance: %s: the answer names no transaction: %w", c.op, ErrNotCommitted)
	}
	if err := checkTransactionID(id); err != nil {
		return nil, "", fmt.Errorf("governance: %s: %w: %w", c.op, err, ErrNotCommitted)
	}
	if w.early {
		w.pending.add(c, id)
		return a, id, nil
	}
	return a, id, w.committed(ctx, c, id)
}

// readCommitted is read that returns once what it read is committed: the
// transaction of a read names the state that was read. It stands in for write
// when the answer to a write was lost.
func (w *wire) readCommitted(ctx context.Context, c call, v any) error {
	a, err := w.do(ctx, c)
	if err != nil {
		return err
	}
	if id := a.header.Get(transactionHeader); checkTransactionID(id) == nil {
		if err := w.committed(ctx, c, id); err != nil {
			return err
		}
	}
	return a.json(c.op, v)
}

func checkTransactionID(id string) error {
	view, seqno, ok := strings.Cut(id, ".")
	if !ok || !digits(view) || !digits(seqno) {
		return fmt.Errorf("malformed transaction id %q", cut(id, 40))
	}
	return nil
}

func digits(s string) bool {
	return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}

// committed waits for the commit. Whatever keeps it from learning of that is an
// ErrNotCommitted: a refusal or a broken connection here is about the question,
// and must not be taken for one of the write.
func (w *wire) committed(ctx context.Context, c call, id string) error {
	prefix := "/app"
	if strings.HasPrefix(c.path, "/gov/") {
		prefix = "/gov"
	}
	question := call{op: c.op + ", wait for commit", method: http.MethodGet, path: prefix + "/tx", query: "transaction_id=" + id}
	// A node that answers slowly counts as well as one that answers "Pending".
	limited, cancel := context.WithTimeout(ctx, maxCommitWait)
	defer cancel()
	uncertain := func(cause error) error {
		executed := fmt.Errorf("governance: %s: transaction %s is executed: %w", c.op, id, ErrNotCommitted)
		if limited.Err() != nil && ctx.Err() == nil {
			return executed
		}
		return fmt.Errorf("%w\n\tcause  %w", executed, cause)
	}
	b := newBackoff(w.poll)
	for {
		var tx struct {
			Status string `json:"status"`
		}
		if err := w.read(limited, question, &tx); err != nil {
			return uncertain(err)
		}
		switch tx.Status {
		case "Committed":
			return nil
		case "Invalid":
			return fmt.Errorf("governance: %s: transaction %s: %w", c.op, id, ErrTransactionLost)
		case "Pending", "Unknown":
		default:
			return uncertain(fmt.Errorf("it has the unknown status %q", cut(tx.Status, 40)))
		}
		if err := w.pause(limited, b.step()); err != nil {
			return uncertain(err)
		}
	}
}
