package cleanroom

import (
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Specification)
		want   string // the changes, a line each
	}{
		{"nothing", func(*Specification) {}, ""},
		{"image", func(s *Specification) {
			s.Applications[0].Image.Executable.BackingResource.ID = "docker.io/other@sha256:00"
		}, `applications[demo-app].image.executable.backingResource.id: "` + testImage[:80] + `..." -> "docker.io/other@sha256:00" (another program sees the data)`},
		{"command", func(s *Specification) { s.Applications[0].Command = []string{"bash"} },
			`applications[demo-app].command[1]: "-c" -> nothing (the program runs otherwise)` + "\n" +
				`applications[demo-app].command[2]: "echo $CODE | base64 -d | tar xz; cd application; go get; go run main.go" -> nothing (the program runs otherwise)`},
		{"order of variables", func(s *Specification) {
			e := s.Applications[0].EnvironmentVariables
			e[0], e[1] = e[1], e[0]
		}, "applications[demo-app].environmentVariables: in the order CODE, DB_CONFIG_CGS_SECRET_ID, OUTPUT_LOCATION -> DB_CONFIG_CGS_SECRET_ID, CODE, OUTPUT_LOCATION (the order is part of the policy)"},
		{"order of sinks", func(s *Specification) { s.Datasinks[0], s.Datasinks[1] = s.Datasinks[1], s.Datasinks[0] }, ""},
		{"encoding of a configuration", func(s *Specification) {
			s.Datasinks[0].Protection.Configuration = "{'KeyType': 'KEK', 'EncryptionMode': 'CPK'}"
		}, ""},
		{"mode", func(s *Specification) {
			s.Datasinks[0].Protection.Configuration = EncodeConfiguration(map[string]string{"EncryptionMode": "SSE"})
		}, `datasinks[consumer-output].protection.configuration: "eyJFbmNyeXB0aW9uTW9kZSI6ICJDUEsiLCAiS2V5VHlwZSI6ICJLRUsifQ==" -> "eyJFbmNyeXB0aW9uTW9kZSI6ICJTU0UifQ==" (how the data is encrypted)`},
		{"another address", func(s *Specification) { must(t, s.AllowTCP("203.0.113.99", 443)) },
			"network.tcp.outbound.allowedIPs[203.0.113.99 443]: nothing -> a map with address, port (what applications may reach)"},
		{"closed network", func(s *Specification) { must(t, s.DenyTCP()) }, "network: a map with dns, http, tcp -> null (what applications may reach)"},
		{"sink gone", func(s *Specification) { s.Datasinks = s.Datasinks[1:] }, "datasinks[consumer-output]: a map with identity, name, path, protection, store, subdirectory, type -> nothing"},
		{"twice the same name", func(s *Specification) { s.Identities = append(s.Identities, s.Identities[0]) },
			"identities[cleanroom_cgs_oidc]: nothing -> a map with clientId, name, tenantId, tokenIssuer"},
	} {
		before, after := mergedDocument(t), mergedDocument(t)
		c.change(after)
		changes, err := Diff(before, after)
		must(t, err)
		var lines []string
		for _, x := range changes {
			lines = append(lines, x.String())
		}
		if got := strings.Join(lines, "\n"); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
	if _, err := Diff(mergedDocument(t), NewSpecificationG1()); err == nil || !strings.Contains(err.Error(), "upgrade") {
		t.Errorf("%v", err)
	}
	if _, err := Diff(nil, NewSpecificationG1()); err == nil {
		t.Error("compared nothing")
	}
}
