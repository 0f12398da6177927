package governance

import (
	"context"
	"net/http"
)

// ProposalState is one entry of a proposal's history: the state after a write.
type ProposalState struct {
	// Seqno is the sequence number of the transaction.
	Seqno int64 `json:"seqno"`
	// State is one of the Proposal constants. Each ballot is a write, so Open
	// repeats.
	State string `json:"proposalState"`
}

type historyPage struct {
	Value    []ProposalState `json:"value"`
	NextLink string          `json:"nextLink"`
}

// History lists the states of a proposal, also of one that the service no
// longer shows; the list is empty for an id that never was.
func (p *ProposalClient) History(ctx context.Context) (_ []ProposalState, err error) {
	ctx, end := p.c.wire.tracer.Start(ctx, "Proposal.History")
	defer end(&err)
	// A history ends at the last write, and the service refuses to give it
	// before that is committed.
	if _, err := p.show(ctx, p.c.wire.readCommitted); err != nil && !hasCode(err, "ProposalNotFound") {
		return nil, err
	}
	return p.history(ctx)
}

func (p *ProposalClient) history(ctx context.Context) ([]ProposalState, error) {
	r := rangeReader{
		wire: p.c.wire,
		call: call{
			op:     "read history of proposal " + short(p.id),
			method: http.MethodGet,
			path:   "/app/proposals/" + p.id + "/historical",
		},
	}
	var list []ProposalState
	for {
		var page historyPage
		if err := r.page(ctx, &page); err != nil {
			return nil, err
		}
		list = append(list, page.Value...)
		more, err := r.next(page.NextLink)
		if err != nil || !more {
			return list, err
		}
	}
}
