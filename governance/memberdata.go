package governance

import (
	"encoding/json"
	"errors"
	"fmt"
)

// MemberData is what the members wrote about one of them. The service gives a
// meaning to the named fields; Extra keeps the others, because setting the data
// replaces the whole object.
type MemberData struct {
	// Identifier is a name for people.
	Identifier string
	// TenantID is the Entra tenant; it ties the member to the OIDC issuer of
	// the tenant.
	TenantID string
	// IsOperator and IsRecoveryOperator take the member out of the count of
	// votes.
	IsOperator, IsRecoveryOperator bool
	// CGSOperator and ContractOperator are roles that do the same, and may pass
	// some proposals alone if the members enabled that.
	CGSOperator, ContractOperator bool
	// Extra has the members of the object that this package does not know.
	Extra map[string]json.RawMessage
}

// Votes reports whether the constitution counts the member's ballot.
func (d MemberData) Votes() bool {
	return !d.IsOperator && !d.IsRecoveryOperator && !d.CGSOperator && !d.ContractOperator
}

// roleHeld is the JSON text, never the boolean: the constitution compares with
// the text.
const roleHeld = "true"

// MarshalJSON writes the spelling of release 8.0.0.
func (d MemberData) MarshalJSON() ([]byte, error) {
	doc := map[string]any{}
	for k, v := range d.Extra {
		doc[k] = v
	}
	if d.Identifier != "" {
		doc["identifier"] = d.Identifier
	}
	if d.TenantID != "" {
		doc["tenantId"] = d.TenantID
	}
	if d.IsOperator {
		doc["isOperator"] = true
	}
	if d.IsRecoveryOperator {
		doc["isRecoveryOperator"] = true
	}
	var roles map[string]any
	if json.Unmarshal(d.Extra["cgsRoles"], &roles) != nil || roles == nil {
		roles = map[string]any{}
	}
	if d.CGSOperator {
		roles["cgsOperator"] = roleHeld
	}
	if d.ContractOperator {
		roles["contractOperator"] = roleHeld
	}
	if len(roles) > 0 {
		doc["cgsRoles"] = roles
	}
	return json.Marshal(doc)
}

// UnmarshalJSON reads the data as the constitution would: an operator is whoever
// has a truthy value, and what is no object has no members.
func (d *MemberData) UnmarshalJSON(b []byte) error {
	*d = MemberData{}
	doc, err := exactNames(b)
	var other *json.UnmarshalTypeError
	if errors.As(err, &other) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("governance: member data: %w", err)
	}
	_ = json.Unmarshal(doc["identifier"], &d.Identifier)
	_ = json.Unmarshal(doc["tenantId"], &d.TenantID)
	d.IsOperator = truthy(doc["isOperator"])
	d.IsRecoveryOperator = truthy(doc["isRecoveryOperator"])
	var roles map[string]any
	_ = json.Unmarshal(doc["cgsRoles"], &roles)
	d.CGSOperator = roles["cgsOperator"] == roleHeld
	d.ContractOperator = roles["contractOperator"] == roleHeld
	d.Extra = doc
	return d.keepOthers(roles)
}

// keepOthers leaves in Extra what no field holds.
func (d *MemberData) keepOthers(roles map[string]any) error {
	for _, name := range []string{"identifier", "tenantId", "isOperator", "isRecoveryOperator", "cgsRoles"} {
		delete(d.Extra, name)
	}
	delete(roles, "cgsOperator")
	delete(roles, "contractOperator")
	if len(roles) > 0 {
		others, err := json.Marshal(roles)
		if err != nil {
			return fmt.Errorf("governance: member data: %w", err)
		}
		d.Extra["cgsRoles"] = others
	}
	if len(d.Extra) == 0 {
		d.Extra = nil
	}
	return nil
}

// truthy follows JavaScript for a JSON value, or for none.
func truthy(raw json.RawMessage) bool {
	if len(raw) == 0 {
		return false
	}
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return true // a number too large for a float, which is infinite there
	}
	return v != nil && v != false && v != "" && v != 0.0
}
