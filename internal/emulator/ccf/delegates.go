package ccf

import (
	"slices"
	"strings"
)

// delegate is a purpose for which a room of a contract lets others in.
type delegate struct{ kind, id string }

var (
	// delegateTable holds the claims by delegateKey.
	delegateTable = table[*object]("delegate_policies")
	// delegateListTable holds what was ever delegated, by contract and key.
	delegateListTable = table[delegate]("delegates")
)

// delegateKey joins the parts as CGS names its maps, ambiguity included.
func delegateKey(contractID string, d delegate) string {
	return contractID + "_" + d.kind + "_" + d.id
}

// delegated tells whether one of the delegates' policies fits the claims.
func (c *call) delegated(contractID string, claims map[string]any, delegates []delegate) bool {
	return slices.ContainsFunc(delegates, func(d delegate) bool {
		policy, ok := delegateTable.get(c.tx, delegateKey(contractID, d))
		return ok && len(policy.keys) > 0 && matches(policy, claims)
	})
}

// putDelegate is for a room that the contract's own policy describes.
func (c *call) putDelegate() (any, error) {
	body, err := c.json()
	if err != nil {
		return nil, err
	}
	args, err := c.roomData(body)
	if err != nil {
		return nil, err
	}
	if err := validateDelegate(args); err != nil {
		return nil, err
	}
	contractID, d := c.params[0], delegate{c.params[1], c.params[2]}
	key := delegateKey(contractID, d)
	old, _ := delegateTable.get(c.tx, key)
	policy, err := updatedPolicy(old, args)
	if err != nil {
		return nil, err
	}
	delegateTable.put(c.tx, key, policy)
	delegateListTable.put(c.tx, contractID+"/"+key, d)
	return nil, nil
}

func validateDelegate(args any) error {
	if kind, _ := textField(args, "type"); kind != "add" && kind != "remove" {
		return throw("Error: Clean Room Policy with type '%s' is not supported", display(field(args, "type")))
	}
	policyType, ok := textField(args, "policyType")
	if !ok {
		policyType = "snp-caci"
	}
	if policyType != "snp-caci" && policyType != "snp-cvm" {
		return throw("Error: Unknown policyType '%s'", policyType)
	}
	claims, ok := field(args, "claims").(*object)
	if !ok {
		return throw("TypeError: claims is not an object of claim names")
	}
	for _, name := range claims.ordered() {
		if !slices.Contains(allowedClaims[policyType], name) {
			return throw("Error: The claim '%s' is not an allowed %s claim", name, policyType)
		}
	}
	return nil
}

func (c *call) listDelegates() (any, error) {
	list := []any{}
	for _, key := range delegateListTable.keys(c.tx) {
		if contractID, _, _ := strings.Cut(key, "/"); contractID == c.params[0] {
			d, _ := delegateListTable.get(c.tx, key)
			list = append(list, obj("delegateType", d.kind, "delegateId", d.id))
		}
	}
	return obj("value", list), nil
}

func (c *call) showDelegate() (any, error) {
	policy, _ := delegateTable.get(c.tx, delegateKey(c.params[0], delegate{c.params[1], c.params[2]}))
	return obj("claims", sortedClaims(policy)), nil
}
