package governance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"unicode/utf8"
)

// States of a contract.
const (
	ContractDraft    = "Draft"
	ContractProposed = "Proposed"
	ContractAccepted = "Accepted"
)

// ErrContractModified says that a contract has another version than the one the
// caller looked at.
var ErrContractModified = errors.New("the contract has another version")

// Contract is a contract as the service shows it: the accepted one if there is
// one, else the one of an open proposal, else the draft.
type Contract struct {
	ID string
	// State is one of the Contract constants.
	State string
	// Version names the transaction of the last write, for instance "2.31".
	Version string
	// Data is the contract's text. Data that is not a JSON string, which others
	// may have written, is given as JSON in one canonical form.
	Data string
	// ProposalID is that of the open or the accepting proposal, else empty.
	ProposalID string
	// FinalVotes has the votes by member id once the contract is accepted.
	FinalVotes map[string]bool

	raw json.RawMessage
}

// parseContract keeps the whole object: it is what a proposal carries.
func parseContract(b []byte) (*Contract, error) {
	var doc struct {
		ID         string          `json:"id"`
		State      string          `json:"state"`
		Version    string          `json:"version"`
		Data       json.RawMessage `json:"data"`
		ProposalID string          `json:"proposalId"`
		FinalVotes []struct {
			MemberID string `json:"memberId"`
			Vote     bool   `json:"vote"`
		} `json:"finalVotes"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	c := &Contract{ID: doc.ID, State: doc.State, Version: doc.Version, Data: dataText(doc.Data), ProposalID: doc.ProposalID, raw: b}
	if len(doc.FinalVotes) > 0 {
		c.FinalVotes = make(map[string]bool, len(doc.FinalVotes))
		for _, v := range doc.FinalVotes {
			c.FinalVotes[v.MemberID] = v.Vote
		}
	}
	return c, nil
}

// ContractsOptions chooses contracts; nil means all.
type ContractsOptions struct {
	// State is one of the Contract constants; empty means drafts, proposed and
	// accepted contracts.
	State string
}

// Contracts gives the ids of contracts, in no order. A contract that was
// proposed without a draft is not among them before it is accepted. The service
// has no pages for this list: it is read at once when the first id is asked for,
// and may have 8 MiB, which is more than thirty thousand ids; of a longer one
// ask for the states one by one. The list ends after the first error.
func (c *Client) Contracts(ctx context.Context, opts *ContractsOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		req := call{op: "list contracts", method: http.MethodGet, path: "/app/contracts"}
		if opts != nil && opts.State != "" {
			if err := checkID("contract state", opts.State); err != nil {
				yield("", err)
				return
			}
			req.query = "state=" + opts.State
		}
		var doc struct {
			Value []struct {
				ID string `json:"id"`
			} `json:"value"`
		}
		if err := c.wire.read(ctx, req, &doc); err != nil {
			yield("", err)
			return
		}
		for _, v := range doc.Value {
			if !yield(v.ID, nil) {
				return
			}
		}
	}
}

// ContractClient acts on one contract and what hangs below it.
type ContractClient struct {
	c  *Client
	id string
}

// Contract gives a handle; nothing is asked yet. An id has letters, digits and
// . _ ~ : - and should have one separator only: the service joins ids and
// scopes with - when it stores events.
func (c *Client) Contract(id string) *ContractClient { return &ContractClient{c, id} }

// ID is the contract's id.
func (c *ContractClient) ID() string { return c.id }

func contractPath(id string) (string, error) {
	if err := checkID("contract id", id); err != nil {
		return "", err
	}
	return "/app/contracts/" + id, nil
}

func (c *ContractClient) op(what string) string { return what + " " + c.id }

// post reads a resource below the contract.
func (c *ContractClient) post(ctx context.Context, what, below string, v any) error {
	path, err := contractPath(c.id)
	if err != nil {
		return err
	}
	return c.c.wire.post(ctx, c.op(what), path+below, v)
}

// Get reads the contract.
func (c *ContractClient) Get(ctx context.Context) (_ *Contract, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.Get")
	defer end(&err)
	return c.get(ctx, c.c.wire.read)
}

func (c *ContractClient) get(ctx context.Context, read reader) (*Contract, error) {
	op := c.op("read contract")
	path, err := contractPath(c.id)
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := read(ctx, call{op: op, method: http.MethodPost, path: path}, &raw); err != nil {
		return nil, err
	}
	v, err := parseContract(raw)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	if v.ID != c.id {
		return nil, fmt.Errorf("governance: %s: the service sent the contract %q", op, cut(v.ID, 80))
	}
	return v, nil
}

// Create makes a draft and returns its version. The data is text and comes back
// to the byte; other JSON would not.
func (c *ContractClient) Create(ctx context.Context, data string) (version string, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.Create")
	defer end(&err)
	return c.put(ctx, c.op("create contract"), data, "")
}

// Update replaces the draft if it still has the version, and returns the new
// one; otherwise the error is [ErrContractModified]. A draft can be changed
// while it is proposed; the proposal keeps its copy.
func (c *ContractClient) Update(ctx context.Context, data, version string) (newVersion string, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.Update")
	defer end(&err)
	if version == "" {
		return "", fmt.Errorf("governance: %s: the version is empty; read the contract first", c.op("update contract"))
	}
	return c.put(ctx, c.op("update contract"), data, version)
}

func (c *ContractClient) put(ctx context.Context, op, data, version string) (string, error) {
	path, err := contractPath(c.id)
	if err != nil {
		return "", err
	}
	if !utf8.ValidString(data) {
		return "", fmt.Errorf("governance: %s: the data is not valid UTF-8 and would not come back as it is", op)
	}
	req, err := call{op: op, method: http.MethodPut, path: path}.withJSON(struct {
		Data    string `json:"data"`
		Version string `json:"version,omitempty"`
	}{data, version})
	if err != nil {
		return "", err
	}
	_, id, err := c.c.wire.write(ctx, req)
	if err == nil {
		// The version of an entry is the transaction that wrote it.
		return id, nil
	}
	if wasRepeated(err) && hasCode(err, "ContractAlreadyExists", "PreconditionFailed") {
		// The first copy of this request may have been the one that wrote.
		if v, gerr := c.get(ctx, c.c.wire.readCommitted); gerr == nil && v.State == ContractDraft && v.Data == data {
			return v.Version, nil
		}
	}
	return "", err
}

// Propose proposes the draft to the members if it has the version that the
// caller looked at; otherwise the error is [ErrContractModified]. The service
// itself would not compare.
func (c *ContractClient) Propose(ctx context.Context, version string) (_ *Proposal, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.Propose")
	defer end(&err)
	op := c.op("propose contract")
	v, err := c.Get(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case v.State != ContractDraft:
		return nil, &DeniedError{
			Op: "governance: " + op, By: "this program",
			Checks: []Check{{
				ID: "contract.state", Want: ContractDraft, Got: v.State,
				Remedy: "vote on its proposal " + v.ProposalID + ", or make a contract under another id",
				Err:    errNotDraft,
			}},
		}
	case version == "" || v.Version != version:
		return nil, fmt.Errorf("governance: %s: %w: it is %q, not %q; read the contract again and decide anew", op, ErrContractModified, v.Version, version)
	}
	return c.c.Propose(ctx, SetContract(c.id, v.raw))
}

var errNotDraft = errors.New("the contract is no draft")

// Vote votes on the contract's proposal, after making sure that this is the
// contract's open proposal. A yes also wants it to do nothing but set the
// contract to what the service shows; what does not is a [*DeniedError]. Read
// the contract first: that is what the vote is on.
func (c *ContractClient) Vote(ctx context.Context, proposalID string, accept bool) (_ *Proposal, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.Vote")
	defer end(&err)
	if err := checkDigest("proposal id", proposalID); err != nil {
		return nil, err
	}
	op := c.op("vote on contract")
	v, err := c.Get(ctx)
	if err != nil {
		return nil, err
	}
	checks := []Check{equalCheck("contract.proposal", proposalID, v.ProposalID, "read the contract again, and vote on the proposal that it names")}
	proposal := c.c.Proposal(proposalID)
	if accept {
		actions, err := proposal.Actions(ctx)
		if err != nil {
			return nil, err
		}
		checks = append(checks, v.checkProposed(actions)...)
	}
	if err := denied(op, "this program", checks, nil); err != nil {
		return nil, err
	}
	return proposal.Vote(ctx, accept)
}

// checkProposed compares the contract with the actions of its proposal.
func (c *Contract) checkProposed(actions []Action) []Check {
	got := fmt.Sprintf("%d actions", len(actions))
	var data json.RawMessage
	if len(actions) == 1 {
		var id string
		id, data = setContractArgs(actions[0])
		got = actions[0].Name + " " + id
	}
	return []Check{
		equalCheck("proposal.action", "set_contract "+c.ID, got, "reject the proposal: it is not about this contract alone"),
		equalCheck("proposal.data", digest(c.Data), digest(dataText(data)), "reject the proposal: it sets other data than the service shows"),
	}
}

// setContractArgs reads the arguments by their names to the letter, as the
// constitution does.
func setContractArgs(a Action) (id string, data json.RawMessage) {
	raw, _ := a.Args.(json.RawMessage)
	args, err := exactNames(raw)
	if err != nil || json.Unmarshal(args["contractId"], &id) != nil {
		return "", nil
	}
	contract, err := exactNames(args["contract"])
	if err != nil {
		return id, nil
	}
	return id, contract["data"]
}

// dataText is the data of a contract as text. The service formats what is no
// string anew when it shows it, so that is brought into one form.
func dataText(raw json.RawMessage) string {
	var data any
	if json.Unmarshal(raw, &data) != nil {
		return string(raw)
	}
	if text, ok := data.(string); ok {
		return text
	}
	text, err := json.Marshal(data)
	if err != nil {
		panic("governance: internal error: " + err.Error())
	}
	return string(text)
}
