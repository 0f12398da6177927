package governance

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// allowAllHostData is the SHA-256 of the container policy that upstream uses
// for tests and that lets everything run.
const allowAllHostData = "73973b78d70cc68353426de188db5dfc57e5b766e399935fb73a61127ea26d20"

// policyClaims are the values of which one must match, by claim.
type policyClaims map[string]claimValues

type claimValues []any

func (c claimValues) has(v any) bool {
	return slices.ContainsFunc(c, func(w any) bool { return sameLeaf(v, w) })
}

// policy reviews set_clean_room_policy.
func (r *reviewer) policy(ctx context.Context, args arguments) error {
	id := args.text("contractId")
	r.change.Subject = "clean room policy of contract " + id
	before, err := r.policyOf(ctx, id)
	if err != nil {
		return err
	}
	after := r.applyClaims("the policy", before, args)
	r.differClaims(before, after)
	if r.policies == nil {
		r.policies = map[string]policyClaims{}
	}
	r.policies[id] = after
	r.warnPolicy(id, after)
	template, err := r.template(ctx, id, "deploymentspec")
	if err != nil {
		return err
	}
	r.warnTemplate(id, after, templateHostData(template))
	return nil
}

// policyOf is the accepted policy, or what an earlier action leaves.
func (r *reviewer) policyOf(ctx context.Context, id string) (policyClaims, error) {
	if p, ok := r.policies[id]; ok {
		return p, nil
	}
	var raw json.RawMessage
	if err := r.c.Contract(id).post(ctx, "read clean room policy of", "/cleanroompolicy", &raw); err != nil {
		return nil, err
	}
	v, err := decodeJSON(raw)
	if err != nil {
		return nil, err
	}
	doc, _ := v.(map[string]any)
	claims := policyClaims{}
	for name, values := range arguments(doc).object("policy") {
		list, ok := values.([]any)
		if !ok {
			list = []any{values}
		}
		claims[name] = list
	}
	return claims, nil
}

// differClaims shows all claims, those that stay as well.
func (r *reviewer) differClaims(before, after policyClaims) {
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		r.differ(name, jsonList(before[name]), jsonList(after[name]))
	}
}

// applyClaims does what the constitution does with the claims: a boolean that
// is added replaces the old values, anything else joins them; to remove a
// boolean removes the claim, and to remove what is not there fails.
func (r *reviewer) applyClaims(what string, before policyClaims, args arguments) policyClaims {
	after := maps.Clone(before)
	claims := args.object("claims")
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		values, ok := claims[name].([]any)
		if !ok {
			values = []any{claims[name]}
		}
		isBool := false
		if len(values) > 0 {
			_, isBool = values[0].(bool)
		}
		old, present := after[name]
		if args.text("type") != PolicyRemove {
			var all claimValues
			if !isBool {
				all = slices.Clone(old)
			}
			for _, v := range values {
				if !all.has(v) {
					all = append(all, v)
				}
			}
			after[name] = all
			continue
		}
		if !present {
			r.warn("policy.fails", "%s has no claim %s to remove", what, name)
			continue
		}
		left := slices.Clone(old)
		if isBool {
			left = nil
		}
		for _, v := range values {
			i := slices.IndexFunc(left, func(w any) bool { return sameLeaf(v, w) })
			switch {
			case isBool:
			case i < 0:
				r.warn("policy.fails", "claim %s has no value %s to remove", name, jsonText(v))
			default:
				left = slices.Delete(left, i, i+1)
			}
		}
		if after[name] = left; len(left) == 0 {
			delete(after, name)
		}
	}
	return after
}

// warnPolicy looks at what the policy would be as a whole.
func (r *reviewer) warnPolicy(id string, p policyClaims) {
	if len(p) == 0 || r.foreignPolicy(id, p) {
		return
	}
	switch hostData := p[ClaimHostData]; {
	case len(hostData) == 0:
		r.warn("policy.host-data-missing", "the policy of contract %s would not name the container policy", id)
	case len(hostData) > 1:
		r.warn("policy.host-data-many", "the policy of contract %s would let in %d container policies", id, len(hostData))
	}
	if p[ClaimHostData].has(allowAllHostData) {
		r.warn("policy.allow-all", "the policy of contract %s would let in the container policy that allows everything", id)
	}
	if len(p[ClaimMeasurement]) == 0 {
		r.warn("policy.launch-measurement", "the policy of contract %s would not name the measurement of the machine's firmware and kernel", id)
	}
	if len(p[ClaimVMPL]) == 0 {
		r.warn("policy.vmpl", "the policy of contract %s would not name the privilege level of the guest", id)
	}
	if debug := p[ClaimDebuggable]; len(debug) == 0 || debug.has(true) {
		r.warn("policy.debuggable", "the policy of contract %s would let in a guest that is debuggable", id)
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if claimKind(name) == platform && !slices.ContainsFunc(p[name], func(v any) bool { return possible(name, v) }) {
			r.warn("policy.unsatisfiable", "no evidence can have claim %s with any of the values %s", name, jsonList(p[name]))
		}
	}
}

// foreignPolicy says what it can of a policy for evidence of another kind.
func (r *reviewer) foreignPolicy(id string, p policyClaims) bool {
	kinds := map[string]bool{}
	for name := range p {
		kinds[claimKind(name)] = true
	}
	if len(kinds) > 1 {
		r.warn("policy.unsatisfiable", "the policy of contract %s would mix claims of %s, which no evidence has together", id, strings.Join(slices.Sorted(maps.Keys(kinds)), " and "))
	}
	return !kinds[platform]
}

// claimKind is the kind of evidence that has the claim.
func claimKind(name string) string {
	switch {
	case strings.HasPrefix(name, "x-ms-"), strings.HasPrefix(name, "vm-"):
		return platform
	case strings.HasPrefix(name, "pcr"):
		return "snp-cvm"
	}
	return "jwt"
}

// claimForms has the JSON forms of the claims that the service derives from a
// report; no evidence has other ones.
var claimForms = map[string]*regexp.Regexp{
	"x-ms-ver":                      regexp.MustCompile(`^"[0-9]+"$`),
	"x-ms-sevsnpvm-guestsvn":        regexp.MustCompile(`^[0-9]+$`),
	"x-ms-sevsnpvm-smt-allowed":     regexp.MustCompile(`^(true|false)$`),
	ClaimDebuggable:                 regexp.MustCompile(`^(true|false)$`),
	ClaimVMPL:                       regexp.MustCompile(`^[0-3]$`),
	"x-ms-sevsnpvm-familyId":        hexForm(16),
	"x-ms-sevsnpvm-imageId":         hexForm(16),
	"x-ms-sevsnpvm-reportdata":      hexForm(reportDataBytes),
	ClaimMeasurement:                hexForm(measureBytes),
	ClaimHostData:                   hexForm(hostDataBytes),
	"x-ms-sevsnpvm-idkeydigest":     hexForm(48),
	"x-ms-sevsnpvm-authorkeydigest": hexForm(48),
	"x-ms-sevsnpvm-reportid":        hexForm(32),
}

func hexForm(n int) *regexp.Regexp {
	return regexp.MustCompile(`^"(?:[0-9a-f]{2}){` + jsonText(n) + `}"$`)
}

func possible(name string, v any) bool {
	form, derived := claimForms[name]
	return derived && form.MatchString(jsonText(v))
}

// templateHostData finds the container policies of an ARM template and gives
// their digests, which are the host data of what it starts.
func templateHostData(template any) claimValues {
	var found claimValues
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				text, isText := v[name].(string)
				// Resource Manager takes names whatever their case.
				if !strings.EqualFold(name, "ccePolicy") || !isText {
					walk(v[name])
					continue
				}
				if policy, err := base64.StdEncoding.DecodeString(text); err == nil {
					sum := sha256.Sum256(policy)
					if h := hex.EncodeToString(sum[:]); !found.has(h) {
						found = append(found, h)
					}
				}
			}
		}
	}
	walk(template)
	return found
}

// jsonList is empty for no value at all.
func jsonList(values claimValues) string {
	if values == nil {
		return ""
	}
	return jsonText([]any(values))
}
