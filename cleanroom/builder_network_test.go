package cleanroom

import (
	"reflect"
	"strings"
	"testing"
)

const testBundle = "r.example/policy@sha256:f43c6f049f04cbbaeb28f0aad3eea15274a7d0a7899a617d0037aec48d7ab010"

// What is opened is in the document and validates; what is closed leaves
// nothing behind.
func TestNetworkVerbs(t *testing.T) {
	s := consumerDocument(t)
	must(t, s.DenyTCP(), s.DenyDNS(), s.DenyHTTP(Inbound)) // closed already
	must(t, s.AllowHTTP(Inbound, testBundle), s.AllowHTTP(Inbound, testBundle), s.AllowHTTP(Outbound, ""), s.AllowDNS(0))
	in := s.Network.HTTP.Inbound.Policy.PrivacyPolicy.Policy.External
	if in == nil || in.BackingResource.ID != testBundle || in.BackingResource.Provider.URL != testBundle || s.Network.DNS.Port != 53 {
		t.Errorf("%+v", s.Network)
	}
	issues, err := s.Validate(nil)
	if err != nil || len(issues) != 1 || issues[0].ID != "OutboundAllowAll" {
		t.Errorf("%v, %v", issues, err)
	}
	for _, c := range []struct {
		name, say string
		err       error
	}{
		{"another policy", "close it first", s.AllowHTTP(Inbound, "")},
		{"policy for open traffic", "close it first", s.AllowHTTP(Outbound, testBundle)},
		{"bundle by tag", "not pinned", s.AllowHTTP(Inbound, "r.example/policy:1")},
		{"direction", "inbound or outbound", s.AllowHTTP("up", "")},
		{"closing a direction", "inbound or outbound", s.DenyHTTP("down")},
		{"port", "65535", s.AllowDNS(70000)},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.say) || !strings.HasPrefix(c.err.Error(), "cleanroom: ") {
			t.Errorf("%s: want %q, got %v", c.name, c.say, c.err)
		}
	}
	must(t, s.AllowTCP("203.0.113.1", 443), s.DenyHTTP(Inbound), s.DenyTCP(), s.DenyDNS())
	if s.Network == nil || s.Network.HTTP == nil || s.Network.HTTP.Inbound != nil || s.Network.HTTP.Outbound == nil {
		t.Errorf("%+v", s.Network)
	}
	must(t, s.DenyHTTP(Outbound))
	if s.Network != nil || !reflect.DeepEqual(s, consumerDocument(t)) {
		t.Errorf("something was left: %+v", s.Network)
	}
	n := NewSpecification()
	if n.AllowHTTP("up", "") == nil || n.AllowDNS(-1) == nil || n.Network != nil {
		t.Error("a refused step left a network section")
	}
}

func TestIdentityVerbs(t *testing.T) {
	s := consumerDocument(t)
	must(t, s.AddAttestedIdentity("other-service", "c", "t", "https://issuer.example/oidc"))
	must(t, s.AddSecretIdentity(SecretIdentityOptions{Name: "app", ClientID: "c", TenantID: "t", SecretName: "s", VaultURL: "https://v.vault.azure.net", Access: "consumer-identity"}))
	if got := s.Identities[3].TokenIssuer; got.SecretAccessIdentity.Name != "consumer-identity" || got.Secret.BackingResource.Provider.URL != "https://v.vault.azure.net/" {
		t.Errorf("%+v", got)
	}
	must(t, s.AddApplication(ApplicationOptions{Name: "private", Image: testImage, PullIdentity: "consumer-identity"}))
	if id := s.Applications[1].Image.Executable.Identity; id == nil || id.Name != "consumer-identity" {
		t.Errorf("%+v", id)
	}
	if issues, err := s.Validate(nil); err != nil || len(issues) != 1 { // two applications
		t.Errorf("%v, %v", issues, err)
	}
	again, err := ParseSpecification(encoded(t, s))
	must(t, err)
	if !reflect.DeepEqual(again.Identities, s.Identities) {
		t.Error("the identities changed on the way")
	}
	secret := SecretIdentityOptions{Name: "x", ClientID: "c", TenantID: "t", SecretName: "s", VaultURL: "https://v.vault.azure.net"}
	with := func(change func(*SecretIdentityOptions)) error {
		o := secret
		change(&o)
		return s.AddSecretIdentity(o)
	}
	for _, c := range []struct {
		name, say string
		err       error
	}{
		{"attested twice", "unique", s.AddAttestedIdentity("other-service", "c", "t", "https://i")},
		{"attested without tenant", "tenant", s.AddAttestedIdentity("y", "c", "", "https://i")},
		{"issuer", "https", s.AddAttestedIdentity("y", "c", "t", "http://i")},
		{"secret's name", "letters", with(func(o *SecretIdentityOptions) { o.SecretName = "a_b" })},
		{"secret's vault", "https", with(func(o *SecretIdentityOptions) { o.VaultURL = "v" })},
		{"access", `"nobody"`, with(func(o *SecretIdentityOptions) { o.Access = "nobody" })},
		{"name", "lower case", with(func(o *SecretIdentityOptions) { o.Name = "X" })},
		{"pull identity", "IdentityConfigurationNotFound", s.AddApplication(ApplicationOptions{Name: "z", Image: testImage, PullIdentity: "nobody"})},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.say) || !strings.HasPrefix(c.err.Error(), "cleanroom: ") {
			t.Errorf("%s: want %q, got %v", c.name, c.say, c.err)
		}
	}
}
