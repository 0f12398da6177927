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
	// "tcp 203.0.113.7:443", "http outbound" or "dns", and what else the
	// section adds, by its place in the document.
	Network []string
	// Governance are further services, telemetry and settings, by their place
	// in the document.
	Governance []string

	rest *Specification
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
	r := s.beyond(part)
	if checks := foreignUses(r.rest, part); len(checks) > 0 {
		return nil, check.Denied("cleanroom: review contract", "this program", checks, nil)
	}
	return r, nil
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

// foreignUses has a failed check for each place in rest that names an identity
// or an account that belongs to part.
func foreignUses(rest, part *Specification) []Check {
	owned := map[string]string{}
	eachText(reflect.ValueOf(part), "", func(_, text string) {
		if account, host := azureAccount(text); account != "" {
			owned[account] = "the account " + host
		}
	})
	for _, i := range part.Identities {
		if i.ClientID != "" {
			owned[plainID(i.ClientID)] = "the identity " + i.Name
		}
	}
	var checks []Check
	eachText(reflect.ValueOf(rest), "", func(path, text string) {
		what, taken := owned[plainID(text)]
		if !taken {
			account, _ := azureAccount(text)
			what, taken = owned[account]
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

// plainID is an id as Microsoft Entra compares it: the case does not count,
// nor do the hyphens and braces of a GUID.
func plainID(id string) string {
	return strings.NewReplacer("-", "", "{", "", "}", "").Replace(strings.ToLower(strings.TrimSpace(id)))
}

// azureAccount names the vault or storage account that a URL is about, whose
// owner is the party that has it in its document; "" for all else, such as the
// attestation service that both share. One account has several host names: of
// blobs and of files, of the secondary, of its private link, with a dot at the
// end. They have the kind and the first label in common.
func azureAccount(text string) (account, host string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" {
		return "", ""
	}
	host = strings.TrimRight(strings.ToLower(u.Hostname()), ".")
	label, rest, _ := strings.Cut(host, ".")
	rest = "." + rest + "."
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(rest, p) })
	}
	switch {
	case has(".vault"): // vault.azure.net and vaultcore.azure.net
		return "vault " + label, host
	case has(".managedhsm."):
		return "hsm " + label, host
	case has(".blob.", ".dfs.", ".file.", ".queue.", ".table.", ".web."):
		return "storage " + strings.TrimSuffix(label, "-secondary"), host
	}
	return "", ""
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
