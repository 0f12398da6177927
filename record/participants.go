package record

import (
	"strconv"
	"strings"
)

// outcome is the status, or the kind of failure.
func (x *Exchange) outcome() string {
	if x.Status == 0 {
		return first(x.Failure, "no answer")
	}
	if x.Failure != "" {
		return strconv.Itoa(x.Status) + " " + x.Failure
	}
	return strconv.Itoa(x.Status)
}

// participant is a column of a diagram.
type participant struct {
	name string // party or host
	kind string
	// label is the part of a host that tells it from others of its kind.
	label string
}

// kinds are the services by the ends of their hosts' names.
var kinds = []struct{ suffix, kind string }{
	{".vault.azure.net", "key vault"},
	{".managedhsm.azure.net", "managed HSM"},
	{".blob.core.windows.net", "storage"},
	{".web.core.windows.net", "website"},
	{".attest.azure.net", "attestation"},
	{".confidential-ledger.azure.com", "ledger"},
	{"login.microsoftonline.com", "Entra ID"},
	{"management.azure.com", "Azure"},
	{"kdsintf.amd.com", "AMD keys"},
}

func hostParticipant(host string) participant {
	p := participant{name: host, kind: "service", label: host}
	for _, k := range kinds {
		if strings.HasSuffix(strings.ToLower(host), k.suffix) {
			p.kind = k.kind
			if k.suffix[0] == '.' {
				p.label = host[:len(host)-len(k.suffix)]
			}
			return p
		}
	}
	return p
}

// participants are the parties that call or vote and then what they call, each
// in the order in which it first appears.
func participants(stages []*stage) []participant {
	var parties, hosts []participant
	seen := map[string]bool{}
	for _, s := range stages {
		if key := "p:" + s.party; !seen[key] && (len(s.acts) > 0 || s.verdict != nil) {
			seen[key] = true
			parties = append(parties, participant{name: s.party, kind: "party", label: s.party})
		}
		for _, a := range s.acts {
			if key := "h:" + a.to; a.to != "" && !seen[key] {
				seen[key] = true
				hosts = append(hosts, hostParticipant(a.to))
			}
		}
	}
	return append(parties, hosts...)
}
