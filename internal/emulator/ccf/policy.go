package ccf

import (
	"fmt"
	"slices"
)

// policyTable holds, by contract, the claims and the values that each may
// have. All kinds of evidence share the one map.
var policyTable = table[*object]("clean_room_policies")

// allowedClaims lists the claim names by policy type.
var allowedClaims = map[string][]string{
	"snp-caci": {
		"x-ms-attestation-type", "x-ms-compliance-status", "x-ms-policy-hash", "vm-configuration-secure-boot",
		"vm-configuration-secure-boot-template-id", "vm-configuration-tpm-enabled", "vm-configuration-vmUniqueId",
		"x-ms-sevsnpvm-authorkeydigest", "x-ms-sevsnpvm-bootloader-svn", "x-ms-sevsnpvm-familyId",
		"x-ms-sevsnpvm-guestsvn", "x-ms-sevsnpvm-hostdata", "x-ms-sevsnpvm-idkeydigest", "x-ms-sevsnpvm-imageId",
		"x-ms-sevsnpvm-is-debuggable", "x-ms-sevsnpvm-launchmeasurement", "x-ms-sevsnpvm-microcode-svn",
		"x-ms-sevsnpvm-migration-allowed", "x-ms-sevsnpvm-reportdata", "x-ms-sevsnpvm-reportid",
		"x-ms-sevsnpvm-smt-allowed", "x-ms-sevsnpvm-snpfw-svn", "x-ms-sevsnpvm-tee-svn", "x-ms-sevsnpvm-vmpl", "x-ms-ver",
	},
	"jwt":     {"oid", "appid", "tid", "sub", "iss"},
	"snp-cvm": registers(24),
}

func registers(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("pcr%d", i)
	}
	return names
}

func validatePolicy(x *tx, args any) error {
	if err := checkAll(args, []rule{is("string", "contractId"), is("string", "type"), is("object", "claims"), optionalType("string", "policyType")}); err != nil {
		return err
	}
	if kind, _ := textField(args, "type"); kind != "add" && kind != "remove" {
		return throw("Error: Clean Room Policy with type '%s' is not supported", kind)
	}
	policyType, ok := textField(args, "policyType")
	if !ok {
		policyType = "snp-caci"
	}
	allowed, ok := allowedClaims[policyType]
	if !ok {
		return throw("Error: Clean Room Policy with policyType '%s' is not supported", policyType)
	}
	if claims, ok := field(args, "claims").(*object); ok {
		for _, name := range claims.ordered() {
			if !slices.Contains(allowed, name) {
				return throw("Error: The claim '%s' is not an allowed %s claim", name, policyType)
			}
		}
	}
	return acceptedContract(x, args, "Clean Room Policy")
}

func applyPolicy(a *applying, args any) error {
	id, _ := textField(args, "contractId")
	old, _ := policyTable.get(a.tx, id)
	policy, err := updatedPolicy(old, args)
	if err != nil {
		return err
	}
	policyTable.put(a.tx, id, policy)
	return nil
}

// updatedPolicy is a copy of the old one, which may be nil, with the claims of
// the arguments added or removed.
func updatedPolicy(old *object, args any) (*object, error) {
	claims, ok := field(args, "claims").(*object)
	if !ok {
		return nil, throw("TypeError: claims is not an object of claim names")
	}
	policy := obj()
	if old != nil {
		for _, name := range old.keys {
			policy.set(name, old.values[name])
		}
	}
	change := addClaim
	if kind, _ := textField(args, "type"); kind == "remove" {
		change = removeClaim
	}
	for _, name := range claims.ordered() {
		values, ok := claims.values[name].([]any)
		if !ok {
			values = []any{claims.values[name]}
		}
		if err := change(policy, name, values); err != nil {
			return nil, err
		}
	}
	return policy, nil
}

func startsWithBool(values []any) bool {
	if len(values) == 0 {
		return false
	}
	_, ok := values[0].(bool)
	return ok
}

func containsValue(values []any, v any) bool {
	return slices.ContainsFunc(values, func(w any) bool { return strictEqual(v, w) })
}

// addClaim replaces a boolean and adds to anything else, each value once.
func addClaim(policy *object, name string, values []any) error {
	var all []any
	if old, ok := policy.values[name].([]any); ok && !startsWithBool(values) {
		all = slices.Clone(old)
	}
	for _, v := range values {
		if !containsValue(all, v) {
			all = append(all, v)
		}
	}
	policy.set(name, all)
	return nil
}

// removeClaim takes values away; one that is not there is an error. A boolean,
// or the last value, takes the claim with it.
func removeClaim(policy *object, name string, values []any) error {
	old, ok := policy.values[name].([]any)
	if !ok {
		return throw("Error: Trying to remove claim '%s' and it does not exist", name)
	}
	left := slices.Clone(old)
	if startsWithBool(values) {
		left = nil
	} else {
		for _, v := range values {
			i := slices.IndexFunc(left, func(w any) bool { return strictEqual(v, w) })
			if i < 0 {
				return throw("Error: Trying to remove value '%s' from %s and it does not exist", display(v), display(left))
			}
			left = slices.Delete(left, i, i+1)
		}
	}
	if len(left) > 0 {
		policy.set(name, left)
		return nil
	}
	delete(policy.values, name)
	policy.keys = slices.DeleteFunc(policy.keys, func(k string) bool { return k == name })
	return nil
}

func (c *call) showPolicy() (any, error) {
	policy, _ := policyTable.get(c.tx, c.params[0])
	return obj("proposalIds", openForContract(c.tx, "set_clean_room_policy", c.params[0]), "policy", sortedClaims(policy)), nil
}

// sortedClaims shows a policy, which may be nil, in the order of its names.
func sortedClaims(policy *object) *object {
	shown := obj()
	if policy != nil {
		for _, name := range slices.Sorted(slices.Values(policy.keys)) {
			shown.set(name, policy.values[name])
		}
	}
	return shown
}

// matches tells whether the claims satisfy the policy: each of its claims is
// there and is strictly equal, in type and case, to one of its values.
func matches(policy *object, claims map[string]any) bool {
	for _, name := range policy.keys {
		got, ok := claims[name]
		values, _ := policy.values[name].([]any)
		if !ok || !containsValue(values, got) {
			return false
		}
	}
	return true
}
