package cleanroom

import (
	"context"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

type noEvidence struct{}

func (noEvidence) Evidence(context.Context, []byte) (*governance.Evidence, error) { return nil, nil }

// The environment takes exactly the endpoints that the room's client takes: one
// that passed the vote and fails in the room is found too late.
func TestEndpointsAgree(t *testing.T) {
	accepted := 0
	endpoints := []string{
		"https://ledger.example", "https://ledger.example/", "https://ledger.example:8443", "https://[2001:db8::1]:8443",
		"https://ledger.example/base", "https://ledger.example//", "https://ledger.example/?", "https://ledger.example?x=1", "https://ledger.example#x",
		"https://u@ledger.example", "https://u:p@ledger.example", "http://ledger.example", "ledger.example", "https://", "https:///x", "",
	}
	for _, endpoint := range endpoints {
		g := testGovernance(t)
		g.Endpoints = []string{endpoint}
		environment := g.Validate()
		client, room := governance.NewRoomClient(endpoint, g.ContractID, noEvidence{}, &governance.RoomClientOptions{ServiceCertificate: []byte(g.ServiceCertificate)})
		if room == nil {
			client.Close()
		}
		// An empty query is no part of an address; only the stricter one minds.
		if (environment == nil) != (room == nil) && endpoint != "https://ledger.example/?" {
			t.Errorf("%q: the environment says %v, the client %v", endpoint, environment, room)
		}
		if environment == nil {
			accepted++
		}
	}
	if accepted != 4 || len(endpoints) != 16 {
		t.Errorf("%d of %d endpoints are accepted", accepted, len(endpoints))
	}
}
