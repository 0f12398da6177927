package cleanroom

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/cleanroom-go/sdk/internal/check"
)

// ContractReview is what a contract says beyond the document that a party has
// shared. It is for a decision: the party has to know each entry, or to vote
// against the contract.
type ContractReview struct {
	// Identities, Datasources and Datasinks are names.
	Identities, Datasources, Datasinks []string
	// Applications are those of others, with image, command and environment.
	Applications []Application
	// Network are what the room may reach besides, such as
	// "tcp 203.0.113.7:443", "http outbound" or "dns".
	Network []string
	// Governance are further services and telemetry, by their place in the
	// document.
	Governance []string
}

var errForeignUse = errors.New("it belongs to another party")

// ReviewFor compares a contract with the document that a party has shared:
// part. All of it must be there ([Specification.Includes]), and nothing of the
// rest may use what is the party's own: an identity, a vault or a storage
// account of part. Without this check another party could have the room write
// his own sink with this party's token, or under this party's key; the error is
// then a [*DeniedError] that names each use. What else the contract holds is
// the result.
func (s *Specification) ReviewFor(part *Specification) (*ContractReview, error) {
	if err := s.Includes(part); err != nil {
		return nil, err
	}
	rest, r := s.without(part)
	if checks := foreignUses(rest, part); len(checks) > 0 {
		return nil, check.Denied("cleanroom: review contract", "this program", checks, nil)
	}
	return r, nil
}

// without is the contract less the part, and an account of it.
func (s *Specification) without(part *Specification) (*Specification, *ContractReview) {
	rest, r := &Specification{}, &ContractReview{}
	for i := range s.Identities {
		if v := &s.Identities[i]; part.identity(v.Name) == nil {
			rest.Identities = append(rest.Identities, *v)
			r.Identities = append(r.Identities, v.Name)
		}
	}
	for i := range s.Datasources {
		if v := &s.Datasources[i]; find(part.Datasources, v.Name, accessPointName) == nil {
			rest.Datasources = append(rest.Datasources, *v)
			r.Datasources = append(r.Datasources, v.Name)
		}
	}
	for i := range s.Datasinks {
		if v := &s.Datasinks[i]; find(part.Datasinks, v.Name, accessPointName) == nil {
			rest.Datasinks = append(rest.Datasinks, *v)
			r.Datasinks = append(r.Datasinks, v.Name)
		}
	}
	for i := range s.Applications {
		if v := &s.Applications[i]; find(part.Applications, v.Name, applicationName) == nil {
			rest.Applications = append(rest.Applications, *v)
			r.Applications = append(r.Applications, *v)
		}
	}
	own := networkEntries(part.Network)
	for _, entry := range networkEntries(s.Network) {
		if !slices.Contains(own, entry) {
			r.Network = append(r.Network, entry)
		}
	}
	rest.Governance = s.Governance.without(part.Governance, r)
	return rest, r
}

// networkEntries lists what a section opens.
func networkEntries(n *NetworkSettings) (list []string) {
	if n == nil {
		return nil
	}
	if n.HTTP != nil && n.HTTP.Inbound != nil {
		list = append(list, "http inbound")
	}
	if n.HTTP != nil && n.HTTP.Outbound != nil {
		list = append(list, "http outbound")
	}
	if n.TCP != nil && n.TCP.Outbound != nil {
		for _, a := range n.TCP.Outbound.AllowedIPs {
			list = append(list, "tcp "+net.JoinHostPort(a.Address, strconv.Itoa(a.Port)))
		}
	}
	if n.DNS != nil {
		list = append(list, "dns")
	}
	return list
}

// without drops what part has as well; both may be nil.
func (g *GovernanceSettings) without(part *GovernanceSettings, r *ContractReview) *GovernanceSettings {
	if g == nil {
		return nil
	}
	if part == nil {
		part = &GovernanceSettings{}
	}
	rest := &GovernanceSettings{Telemetry: &Telemetry{}}
	if !reflect.DeepEqual(g.Consent, part.Consent) && len(g.Consent) > 0 {
		rest.Consent, r.Governance = g.Consent, append(r.Governance, "governance.consent")
	}
	if !reflect.DeepEqual(g.Audit, part.Audit) && len(g.Audit) > 0 {
		rest.Audit, r.Governance = g.Audit, append(r.Governance, "governance.audit")
	}
	whole, own := g.Telemetry, part.Telemetry
	if whole == nil {
		whole = &Telemetry{}
	}
	if own == nil {
		own = &Telemetry{}
	}
	if whole.Infrastructure != nil && own.Infrastructure == nil {
		rest.Telemetry.Infrastructure, r.Governance = whole.Infrastructure, append(r.Governance, "governance.telemetry.infrastructure")
	}
	if whole.Application != nil && own.Application == nil {
		rest.Telemetry.Application, r.Governance = whole.Application, append(r.Governance, "governance.telemetry.application")
	}
	return rest
}

// foreignUses has a failed check for each place in rest that names a client id
// or a host of an account that belongs to part.
func foreignUses(rest, part *Specification) []Check {
	owned := map[string]string{}
	eachText(reflect.ValueOf(part), "", func(_, text string) {
		if host := azureHost(text); host != "" {
			owned[host] = "the account " + host
		}
	})
	for _, i := range part.Identities {
		if i.ClientID != "" {
			owned[strings.ToLower(i.ClientID)] = "the identity " + i.Name
		}
	}
	var checks []Check
	eachText(reflect.ValueOf(rest), "", func(path, text string) {
		what, taken := owned[strings.ToLower(text)]
		if !taken {
			what, taken = owned[azureHost(text)]
		}
		if taken {
			checks = append(checks, Check{
				ID: "contract.foreign-use", Want: "something of its owner's own at " + path, Got: what, Err: errForeignUse,
				Remedy: "vote against the contract; whoever brought this part has to name his own",
			})
		}
	})
	return checks
}

// azureHost is the host of a vault or a storage account, whose owner is the
// party that names it; "" for all else, such as the attestation service that
// both share.
func azureHost(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ".vault.") || strings.Contains(host, ".managedhsm.") || strings.Contains(host, ".blob.") || strings.Contains(host, ".dfs.") {
		return host
	}
	return ""
}

// eachText visits every text of a document with its place.
func eachText(v reflect.Value, path string, visit func(path, text string)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			eachText(v.Elem(), path, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachText(v.Index(i), fmt.Sprintf("%s[%s]", path, elementName(v.Index(i), i)), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				eachText(v.Field(i), join(path, strings.ToLower(f.Name[:1])+f.Name[1:]), visit)
			}
		}
	case reflect.String:
		visit(path, v.String())
	}
}

// elementName is the name of a list's element, else its number.
func elementName(v reflect.Value, i int) string {
	if v.Kind() == reflect.Struct {
		if name := v.FieldByName("Name"); name.IsValid() && name.Kind() == reflect.String {
			return shorten(name.String(), 60)
		}
	}
	return strconv.Itoa(i)
}
