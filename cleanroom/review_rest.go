package cleanroom

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/internal/check"
)

// beyond is what s says and part, which s includes, does not. Every field of the
// document is looked at: a service for consent that is slipped into the
// telemetry of part is as much another's as an application.
func (s *Specification) beyond(part *Specification) *ContractReview {
	r := &ContractReview{}
	network := networkEntries(part.Network)
	for _, entry := range networkEntries(s.Network) {
		if !slices.Contains(network, entry) {
			r.Network = append(r.Network, entry)
		}
	}
	rest := remainder(reflect.ValueOf(s).Elem(), reflect.ValueOf(part).Elem(), "", func(path string) {
		switch {
		case strings.HasPrefix(path, "governance"), strings.HasPrefix(path, "sandbox"):
			r.Governance = append(r.Governance, path)
		case strings.HasPrefix(path, "network.tcp.outbound"), path == "network.dns", path == "network.http.inbound", path == "network.http.outbound":
			// told by networkEntries
		case strings.HasPrefix(path, "network"):
			r.Network = append(r.Network, path)
		}
	}).Interface().(Specification)
	r.rest = &rest
	for i := range rest.Identities {
		r.Identities = append(r.Identities, rest.Identities[i].Name)
	}
	for i := range rest.Datasources {
		r.Datasources = append(r.Datasources, rest.Datasources[i].Name)
	}
	for i := range rest.Datasinks {
		r.Datasinks = append(r.Datasinks, rest.Datasinks[i].Name)
	}
	r.Applications = rest.Applications
	return r
}

// opened are the objects of which a part that lacks them is compared like one
// that has them empty, so that what is added is told piece by piece.
var opened = []reflect.Type{
	reflect.TypeFor[NetworkSettings](), reflect.TypeFor[HTTPSettings](), reflect.TypeFor[TCPSettings](),
	reflect.TypeFor[GovernanceSettings](), reflect.TypeFor[Telemetry](),
}

// remainder is whole without what part has as well. part is included in whole,
// so that where both have a value they have the same; added is told where part
// has none.
func remainder(whole, part reflect.Value, path string, added func(path string)) reflect.Value {
	rest := reflect.New(whole.Type()).Elem()
	switch whole.Kind() {
	case reflect.Pointer:
		switch {
		case whole.IsNil():
		case part.IsNil() && !slices.Contains(opened, whole.Type().Elem()):
			added(path)
			return whole
		default:
			if part.IsNil() {
				part = reflect.New(whole.Type().Elem())
			}
			rest.Set(reflect.New(whole.Type().Elem()))
			rest.Elem().Set(remainder(whole.Elem(), part.Elem(), path, added))
		}
	case reflect.Slice:
		have := map[string]bool{}
		for i := range part.Len() {
			have[elementKey(part.Index(i))] = true
		}
		for i := range whole.Len() {
			if v := whole.Index(i); !have[elementKey(v)] {
				added(fmt.Sprintf("%s[%s]", path, elementName(v, i)))
				rest.Set(reflect.Append(rest, v))
			}
		}
	case reflect.Struct:
		if _, ok := whole.Addr().Interface().(union); ok {
			if fingerprint(whole) != fingerprint(part) {
				added(path)
				return whole
			}
			return rest
		}
		for _, f := range fieldsOf(whole.Type(), anyGeneration) {
			rest.Field(f.index).Set(remainder(whole.Field(f.index), part.Field(f.index), join(path, f.name), added))
		}
	default:
		if !whole.Equal(part) {
			if !part.IsZero() {
				added(path)
			}
			return whole
		}
	}
	return rest
}

// elementKey tells the elements of a list apart as a merge does.
func elementKey(v reflect.Value) string {
	if name, ok := nameOf(v); ok {
		return "name " + name
	}
	return fingerprint(v)
}

// Lines is the review as text, an entry a line, for a person to compare with
// what was agreed on: each identity, source, sink, application and opening of
// the network with what it names. Empty means that the contract says nothing
// beyond the party's own document.
func (r *ContractReview) Lines() []string {
	if r.rest == nil {
		return nil // not made by ReviewFor
	}
	var lines []string
	add := func(format string, args ...any) {
		lines = append(lines, check.Printable(fmt.Sprintf(format, args...)))
	}
	for _, i := range r.rest.Identities {
		add("identity %s: client %s of tenant %s", i.Name, i.ClientID, i.TenantID)
	}
	for i := range r.rest.Datasources {
		add("datasource %s", describePoint(&r.rest.Datasources[i]))
	}
	for i := range r.rest.Datasinks {
		add("datasink %s", describePoint(&r.rest.Datasinks[i]))
	}
	for i := range r.Applications {
		a := &r.Applications[i]
		add("application %s: image %s", a.Name, a.Image.Reference())
		add("application %s: command %q", a.Name, a.Command)
		for _, v := range a.EnvironmentVariables {
			add("application %s: variable %s=%s", a.Name, v.Name, v.Value)
		}
		for _, m := range a.Datasources {
			add("application %s: reads %s at %s", a.Name, m.Name, m.Path)
		}
		for _, m := range a.Datasinks {
			add("application %s: writes %s at %s", a.Name, m.Name, m.Path)
		}
	}
	for _, entry := range r.Network {
		add("network: %s", entry)
	}
	for _, entry := range r.Governance {
		add("%s", entry)
	}
	return lines
}

// describePoint says where data lies, who opens it and under which key.
func describePoint(a *AccessPoint) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s %s", a.Name, a.Store.Type, a.ContainerURL())
	if a.Subdirectory != "" {
		fmt.Fprintf(&b, " below %s", a.Subdirectory)
	}
	if a.Identity != nil {
		fmt.Fprintf(&b, ", as %s", a.Identity.Name)
	}
	if mode, err := a.Mode(); err == nil {
		fmt.Fprintf(&b, ", mode %s", mode)
	}
	if dek, err := a.DEK(); err == nil {
		fmt.Fprintf(&b, ", key %s of %s under %s of %s", dek.Name, dek.VaultURL, dek.KEK.Name, dek.KEK.VaultURL)
	}
	if digest, err := a.DEKDigest(); err == nil && digest != [32]byte{} {
		fmt.Fprintf(&b, ", pinned as %s", encodeDigest(digest))
	}
	return b.String()
}
