package ccf

import (
	"maps"
	"net/http"
	"slices"
)

// acceptedCopy is a contract as its members accepted it.
type acceptedCopy struct {
	data       any
	proposalID string
	finalVotes map[string]bool
}

var (
	draftTable    = table[any]("contract_drafts")
	contractTable = table[acceptedCopy]("accepted_contracts")
)

// proposedContract returns the open proposal of a contract and its argument.
func proposedContract(x *tx, id string) (proposalID string, contract any, ok bool) {
	match := func(a action) bool { return a.name == "set_contract" && field(a.args, "contractId") == id }
	ids := openWith(x, match)
	if len(ids) == 0 {
		return "", nil, false
	}
	p, _ := proposalTable.get(x, ids[0])
	i := slices.IndexFunc(p.actions, match)
	return ids[0], field(p.actions[i].args, "contract"), true
}

func (c *call) listContracts() (any, error) {
	state, given := c.query("state")
	if given && state != "Draft" && state != "Proposed" && state != stateAccepted {
		return nil, badRequest("InvalidParameter", "The state query parameter must be either 'Draft', 'Accepted' or 'Proposed'.")
	}
	list := []any{}
	for _, id := range draftTable.keys(c.tx) {
		_, accepted := contractTable.get(c.tx, id)
		_, _, proposed := proposedContract(c.tx, id)
		if !accepted && (!given || (state == "Draft" && !proposed) || (state == "Proposed" && proposed)) {
			list = append(list, obj("id", id))
		}
	}
	if !given || state == stateAccepted {
		for _, id := range contractTable.keys(c.tx) {
			list = append(list, obj("id", id))
		}
	}
	return obj("value", list), nil
}

func (c *call) putContract() (any, error) {
	id := c.params[0]
	if _, accepted := contractTable.get(c.tx, id); accepted {
		return nil, failure(http.StatusMethodNotAllowed, "ContractAlreadyAccepted", "An accepted contract cannot be changed.")
	}
	body, err := c.json()
	if err != nil {
		return nil, err
	}
	data := field(body, "data")
	if !truthy(data) {
		return nil, badRequest("DataMissing", "data key must be present in contract payload.")
	}
	if _, exists := draftTable.get(c.tx, id); exists {
		version := field(body, "version")
		if !truthy(version) {
			return nil, failure(http.StatusConflict, "ContractAlreadyExists", "The specified contract already exists. If the intent was to update the existing contract then retry the request after reading the latest version of the resource and setting the version on the request.")
		}
		if version != draftTable.version(c.tx, id) {
			return nil, failure(http.StatusPreconditionFailed, "PreconditionFailed", "The operation specified a version that is different from the version available at the server, that is, an optimistic concurrency error. Retry the request after reading the latest version of the resource and updating the version on the request.")
		}
	}
	draftTable.put(c.tx, id, data)
	return nil, nil
}

func (c *call) showContract() (any, error) {
	id := c.params[0]
	if a, ok := contractTable.get(c.tx, id); ok {
		votes := []any{}
		for _, member := range slices.Sorted(maps.Keys(a.finalVotes)) {
			votes = append(votes, obj("memberId", member, "vote", a.finalVotes[member]))
		}
		return obj("id", id, "version", contractTable.version(c.tx, id), "state", stateAccepted,
			"data", a.data, "proposalId", a.proposalID, "finalVotes", votes), nil
	}
	if proposalID, contract, ok := proposedContract(c.tx, id); ok {
		return obj("id", id, "state", "Proposed", "data", field(contract, "data"),
			"version", field(contract, "version"), "proposalId", proposalID), nil
	}
	if data, ok := draftTable.get(c.tx, id); ok {
		return obj("id", id, "state", "Draft", "version", draftTable.version(c.tx, id), "data", data, "proposalId", ""), nil
	}
	return nil, failure(http.StatusNotFound, "ContractNotFound", "A contract with the specified id was not found.")
}

// Deployment spec and deployment info: any JSON that the members agreed on.
var (
	specTable = table[any]("deployment_specs")
	infoTable = table[any]("deployment_infos")
)

func (c *call) showSpec() (any, error) { return c.deployment(specTable, "set_deployment_spec"), nil }
func (c *call) showInfo() (any, error) { return c.deployment(infoTable, "set_deployment_info"), nil }

func (c *call) deployment(t table[any], actionName string) *object {
	data, ok := t.get(c.tx, c.params[0])
	if !ok {
		data = obj()
	}
	return obj("proposalIds", openForContract(c.tx, actionName, c.params[0]), "data", data)
}
