package cleanroom

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/cleanroom-go/sdk/internal/check"
)

// Severity of an [Issue].
type Severity string

const (
	// SeverityError keeps the document from being used.
	SeverityError Severity = "error"
	// SeverityWarning is for a person to judge.
	SeverityWarning Severity = "warning"
)

// Issue is one finding of [Specification.Validate].
type Issue struct {
	// ID is stable. Where the reference tools have a code it is theirs.
	ID       string
	Severity Severity
	// Path is the place in the document.
	Path string
	// Message says what is wrong, Remedy what to do.
	Message, Remedy string
}

func (i Issue) String() string {
	return fmt.Sprintf("%s %s: %s: %s; %s", i.Severity, i.ID, i.Path, i.Message, i.Remedy)
}

// ValidationError holds the issues of severity error.
type ValidationError struct{ Issues []Issue }

// Error names each issue on a line, the first 20 of many.
func (e *ValidationError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cleanroom: validate specification: %d errors", len(e.Issues))
	writeLines(&b, e.Issues, Issue.String)
	return b.String()
}

// writeLines writes as many lines as a person will read.
func writeLines[T any](b *strings.Builder, list []T, text func(T) string) {
	for i, v := range list {
		if i == maxProblems {
			fmt.Fprintf(b, "\n\tand %d more", len(list)-i)
			return
		}
		b.WriteString("\n\t" + check.Printable(text(v)))
	}
}

// Limits are what the platform gives to one container group. They differ by
// region: see its page on quotas. A zero value is no limit.
type Limits struct{ CPU, MemoryInGB float64 }

// ValidateOptions may be nil.
type ValidateOptions struct {
	// Limits bound the sum of what applications request.
	Limits Limits
}

// Validate checks what reading cannot: names, references, the network
// section, images, resources and the kinds of stores. It returns all issues
// in document order, and a [*ValidationError] if one of them is an error.
// One party's own document may lack what the other's brings; validate the
// merged one.
func (s *Specification) Validate(opts *ValidateOptions) ([]Issue, error) {
	if opts == nil {
		opts = &ValidateOptions{}
	}
	v := validator{
		spec:        s,
		identityFor: byName(s.Identities, identityName),
		sourceFor:   byName(s.Datasources, accessPointName),
		sinkFor:     byName(s.Datasinks, accessPointName),
		storeOf:     map[string]string{},
		modeOf:      map[string]string{},
	}
	if s.Generation == G1 {
		v.sandboxG1()
	} else {
		v.sandbox()
	}
	v.identities()
	v.accessPoints()
	v.applications()
	if s.Generation == G1 {
		v.endpoints()
	} else {
		v.network()
	}
	v.telemetry()
	v.limits(opts.Limits)
	var failed []Issue
	for _, i := range v.issues {
		if i.Severity == SeverityError {
			failed = append(failed, i)
		}
	}
	if failed != nil {
		return v.issues, &ValidationError{Issues: failed}
	}
	return v.issues, nil
}

type validator struct {
	spec   *Specification
	issues []Issue
	// By name, since another party's document may hold very many.
	identityFor        map[string]*Identity
	sourceFor, sinkFor map[string]*AccessPoint
	// storeOf is the data store whose key is at a place of a vault.
	storeOf map[string]string
	// modeOf is the mode of a data store, which has one key.
	modeOf map[string]string
}

// byName indexes a list; of two of one name the first counts.
func byName[T any](list []T, nameOf func(*T) string) map[string]*T {
	m := make(map[string]*T, len(list))
	for i := range list {
		if name := nameOf(&list[i]); m[name] == nil {
			m[name] = &list[i]
		}
	}
	return m
}

func (v *validator) fail(id, path, message, remedy string) {
	v.issues = append(v.issues, Issue{id, SeverityError, path, message, remedy})
}

func (v *validator) warn(id, path, message, remedy string) {
	v.issues = append(v.issues, Issue{id, SeverityWarning, path, message, remedy})
}

// sandbox: the reference tools of this generation have no room without one.
// The sidecars filter the network then. The direct form of [Generate] has none,
// and there the section network is a promise of the applications.
func (v *validator) sandbox() {
	if b := v.spec.Sandbox; b != nil && b.SandboxType == SandboxNone {
		v.fail("UnsupportedSandbox", "sandbox.sandboxType", "a room without a sandbox does not exist any more", "remove the section and list what may be reached under network")
	}
}

func (v *validator) identities() {
	seen := map[string]bool{}
	for i := range v.spec.Identities {
		id := &v.spec.Identities[i]
		path := fmt.Sprintf("identities[%d]", i)
		v.name(path, id.Name, seen, checkIdentityName)
		backing := id.TokenIssuer.FederatedIdentity
		if id.TokenIssuer.Type != FederatedIdentityBasedTokenIssuer {
			continue
		}
		if id.ClientID == "" || id.TenantID == "" {
			v.fail("InvalidIdentity", path, "a federated identity has no clientId or tenantId", "set both to those of the managed identity")
		}
		if backing != nil {
			v.copyOf(path+".tokenIssuer.federatedIdentity", backing)
		}
	}
}

// name checks syntax, by the given rule, and uniqueness.
func (v *validator) name(path, name string, seen map[string]bool, rule func(string) error) {
	if seen[name] {
		v.fail("DuplicateName", path+".name", fmt.Sprintf("the name %q is used twice", shorten(name, 80)), "rename one of them")
	}
	seen[name] = true
	if err := rule(name); err != nil {
		v.fail("InvalidName", path+".name", fmt.Sprintf("%q is not a name", shorten(name, 80)), err.Error())
	}
}

// copyOf checks that an identity written into another object is one of the
// list, unchanged.
func (v *validator) copyOf(path string, id *Identity) {
	listed := v.identityFor[id.Name]
	switch {
	case listed == nil:
		v.fail("IdentityConfigurationNotFound", path, fmt.Sprintf("the identity %q is not in the list of identities", shorten(id.Name, 80)), "add it; the document has "+names(v.spec.Identities, identityName))
	case !sameIdentity(listed, id):
		v.fail("IdentityMismatch", path, fmt.Sprintf("the copy of the identity %q differs from the list's", shorten(id.Name, 80)), "add the access point again after changing an identity")
	}
}

// sameIdentity follows the copies that identities hold. The depth of a
// document is bounded, so is this.
func sameIdentity(a, b *Identity) bool {
	if a == nil || b == nil {
		return a == b
	}
	s, t := &a.TokenIssuer, &b.TokenIssuer
	if a.Name != b.Name || a.ClientID != b.ClientID || a.TenantID != b.TenantID || s.Type != t.Type || s.Issuer != t.Issuer {
		return false
	}
	if (s.Secret == nil) != (t.Secret == nil) || s.Secret != nil && *s.Secret != *t.Secret {
		return false
	}
	return sameIdentity(s.FederatedIdentity, t.FederatedIdentity) && sameIdentity(s.SecretAccessIdentity, t.SecretAccessIdentity)
}

// telemetry: the copies must be sinks of the list.
func (v *validator) telemetry() {
	g := v.spec.Governance
	if g == nil || g.Telemetry == nil {
		return
	}
	check := func(path, name string, a *AccessPoint) {
		if a.Name != name {
			v.fail("TelemetrySinkName", path+".name", fmt.Sprintf("the sink is named %q", shorten(a.Name, 80)), "name it "+name)
			return
		}
		sink := v.sinkFor[name]
		if sink == nil {
			v.fail("DatasinkNotFound", path, "the sink is not in the list of datasinks", "add it with the command that sets logging or telemetry")
			return
		}
		if fingerprint(reflect.ValueOf(sink).Elem()) != fingerprint(reflect.ValueOf(a).Elem()) {
			v.fail("TelemetrySinkMismatch", path, "the copy of the sink differs from the list's", "set logging or telemetry again after changing the sink")
		}
	}
	if a := g.Telemetry.Application; a != nil {
		check("governance.telemetry.application.logs", ApplicationTelemetry, &a.Logs)
	}
	if i := g.Telemetry.Infrastructure; i != nil {
		check("governance.telemetry.infrastructure.logs", InfrastructureTelemetry, &i.Logs)
		check("governance.telemetry.infrastructure.metrics", InfrastructureTelemetry, &i.Metrics)
		check("governance.telemetry.infrastructure.traces", InfrastructureTelemetry, &i.Traces)
	}
}
