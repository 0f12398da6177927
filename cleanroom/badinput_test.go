package cleanroom

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
)

// What reads well and cannot be meant: each with the place and what to do.
func TestBadInputNamesPlaceAndRemedy(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Specification)
		id     string
		path   string
	}{
		{"name twice", func(s *Specification) { s.Datasinks = append(s.Datasinks, s.Datasinks[0]) }, "DuplicateName", "datasinks["},
		{"application twice", func(s *Specification) { s.Applications = append(s.Applications, s.Applications[0]) }, "DuplicateName", "applications["},
		{"identity twice", func(s *Specification) { s.Identities = append(s.Identities, s.Identities[1]) }, "DuplicateName", "identities["},
		{"sink that is not there", func(s *Specification) { s.Applications[0].Datasinks[0].Name = "gone" }, "DatasinkNotFound", "applications[0]"},
		{"identity that is not there", func(s *Specification) { s.Datasinks[0].Identity.Name = "gone" }, "IdentityConfigurationNotFound", "datasinks[0]"},
		{"port 0", func(s *Specification) { s.Applications[0].RuntimeSettings.Ports = []int{0} }, "InvalidPort", "applications[0]"},
		{"port 65536", func(s *Specification) { s.Applications[0].RuntimeSettings.Ports = []int{65536} }, "InvalidPort", "applications[0]"},
		{"port twice", func(s *Specification) { s.Applications[0].RuntimeSettings.Ports = []int{9000, 9000} }, "DuplicatePort", "applications[0]"},
		{"port of an address", func(s *Specification) { allow(s, "192.0.2.1", 70000) }, "InvalidPort", "network.tcp"},
		{"name for an address", func(s *Specification) { allow(s, "db.example.com", 5432) }, "InvalidAddress", "network.tcp"},
		{"address out of range", func(s *Specification) { allow(s, "192.0.2.256", 5432) }, "InvalidAddress", "network.tcp"},
		{"half an IPv6 address", func(s *Specification) { allow(s, "2001:db8:::1", 5432) }, "InvalidAddress", "network.tcp"},
	} {
		s := consumerDocument(t)
		c.change(s)
		issues, err := s.Validate(nil)
		var invalid *ValidationError
		if !errors.As(err, &invalid) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		found := false
		for _, i := range issues {
			found = found || i.ID == c.id && strings.HasPrefix(i.Path, c.path) && i.Message != "" && i.Remedy != ""
		}
		if !found {
			t.Errorf("%s: no %s at %s in %v", c.name, c.id, c.path, issues)
		}
	}
	s := consumerDocument(t)
	allow(s, "2001:db8::1", 5432)
	if _, err := s.Validate(nil); err != nil {
		t.Errorf("an IPv6 address: %v", err)
	}
}

// allow writes what AllowTCP would refuse, as another program could.
func allow(s *Specification, address string, port int) {
	s.Network = &NetworkSettings{TCP: &TCPSettings{Outbound: &TCPOutbound{Enabled: true, AllowedIPs: []AllowedIP{{address, port}}}}}
}

// Line ends and a byte order mark of another system change nothing.
func TestOtherSystemsFiles(t *testing.T) {
	for _, file := range []string{"testdata/merged.yaml", "testdata/publisher-config.yaml"} {
		b, err := os.ReadFile(file)
		must(t, err)
		want, err := ParseSpecification(b)
		must(t, err)
		for name, text := range map[string][]byte{
			"CRLF": bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")),
			"BOM":  append([]byte("\ufeff"), b...),
			"both": append([]byte("\ufeff"), bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))...),
		} {
			got, err := ParseSpecification(text)
			must(t, err)
			if changes, err := Diff(want, got); err != nil || len(changes) > 0 {
				t.Errorf("%s with %s: %v, %v", file, name, changes, err)
			}
		}
	}
}

// A policy is another party's text.
func FuzzPolicyContainers(f *testing.F) {
	template, err := ParseTemplate(testDeployment(f).Template)
	must(f, err)
	f.Add(template.Policy(), "demo-app", "A=b")
	f.Add([]byte("package policy\ncontainers := [{\"name\":\"a\",\"command\":[],\"env_rules\":[{\"pattern\":\"A=.*\",\"strategy\":\"re2\",\"required\":true}]}]\n"), "a", "A=b")
	f.Add([]byte("\ncontainers := []\ncontainers := []"), "a", "")
	f.Fuzz(func(t *testing.T, policy []byte, name, variable string) {
		containers, err := policyContainers(policy)
		if err != nil && containers != nil {
			t.Error("containers beside an error")
		}
		for _, c := range containers {
			// Whatever the rules are, they end with a verdict.
			_ = checkRules(c.EnvRules, []string{variable})
		}
	})
}
