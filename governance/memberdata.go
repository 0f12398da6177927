package governance

import (
	"encoding/json"
	"fmt"
	"maps"
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

// roles are the JSON text "true", never the boolean: the constitution compares
// with the text.
type roles struct {
	CGSOperator      string `json:"cgsOperator,omitempty"`
	ContractOperator string `json:"contractOperator,omitempty"`
}

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
	if d.CGSOperator || d.ContractOperator {
		doc["cgsRoles"] = roles{roleText(d.CGSOperator), roleText(d.ContractOperator)}
	}
	return json.Marshal(doc)
}

func roleText(on bool) string {
	if on {
		return "true"
	}
	return ""
}

// UnmarshalJSON reads it, and takes a value of a foreign type as the
// constitution would: an operator is whoever has a truthy value.
func (d *MemberData) UnmarshalJSON(b []byte) error {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("governance: member data: %w", err)
	}
	*d = MemberData{}
	_ = json.Unmarshal(doc["identifier"], &d.Identifier)
	_ = json.Unmarshal(doc["tenantId"], &d.TenantID)
	d.IsOperator = truthy(doc["isOperator"])
	d.IsRecoveryOperator = truthy(doc["isRecoveryOperator"])
	var r struct {
		CGSOperator      any `json:"cgsOperator"`
		ContractOperator any `json:"contractOperator"`
	}
	_ = json.Unmarshal(doc["cgsRoles"], &r)
	d.CGSOperator = r.CGSOperator == "true"
	d.ContractOperator = r.ContractOperator == "true"
	maps.DeleteFunc(doc, func(name string, _ json.RawMessage) bool {
		switch name {
		case "identifier", "tenantId", "isOperator", "isRecoveryOperator", "cgsRoles":
			return true
		}
		return false
	})
	if len(doc) > 0 {
		d.Extra = doc
	}
	return nil
}

// truthy follows JavaScript for a JSON value.
func truthy(raw json.RawMessage) bool {
	switch string(raw) {
	case "", "null", "false", "0", `""`:
		return false
	}
	return true
}
