package cleanroom

import (
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/skr"
)

// TestRoomWay: which way the environment leads to, and which it never does.
func TestRoomWay(t *testing.T) {
	governed, err := testGovernance(t).Encode()
	must(t, err)
	id := testGovernance(t).ContractID
	type vars map[string]string
	tests := []struct {
		name string
		opts RoomOptions
		vars vars
		skr  string // where the SKR sidecar is; empty on the direct way
		err  string
	}{
		{"a room of Generate", RoomOptions{}, vars{GovernanceVariable: governed}, "", ""},
		{"nothing", RoomOptions{}, vars{}, "", "it is not set"},
		{"the platform's own tools", RoomOptions{}, vars{ContractVariable: id}, skr.SidecarURL, ""},
		{"Generate and a contract", RoomOptions{}, vars{GovernanceVariable: governed, ContractVariable: id}, "", ""},
		{"a port", RoomOptions{}, vars{GovernanceVariable: governed, SKRPortVariable: "18284"}, "http://127.0.0.1:18284", ""},
		{"another port", RoomOptions{}, vars{GovernanceVariable: governed, IdentityPortVariable: "1"}, skr.SidecarURL, ""},
		{"a port and a contract", RoomOptions{}, vars{ContractVariable: id, SecretsPortVariable: "9300"}, skr.SidecarURL, ""},
		{"a port and no contract", RoomOptions{}, vars{SKRPortVariable: "8284"}, "", "no contract is named"},
		{"no port", RoomOptions{}, vars{ContractVariable: id, SKRPortVariable: "0"}, "", "is no port"},
		{"too high a port", RoomOptions{}, vars{ContractVariable: id, GovernancePortVariable: "65536"}, "", "is no port"},
		{"a port with a host", RoomOptions{}, vars{ContractVariable: id, SKRPortVariable: "1@evil.example"}, "", "is no port"},
		{"two contracts", RoomOptions{}, vars{GovernanceVariable: governed, ContractVariable: "other", SKRPortVariable: "1"}, "", "in one place"},
		{"a contract that is a path", RoomOptions{}, vars{ContractVariable: "../x"}, "", "no contract is named"},
		{"a broken environment", RoomOptions{}, vars{GovernanceVariable: "{", SKRPortVariable: "1"}, "", GovernanceVariable},
		{"asked for", RoomOptions{Sidecars: &RoomSidecars{ContractID: id}}, vars{}, skr.SidecarURL, ""},
		{"asked for with an address", RoomOptions{Sidecars: &RoomSidecars{ContractID: id, SKR: "http://[::1]:1"}}, vars{SKRPortVariable: "2"}, "http://[::1]:1", ""},
		{"asked for with two contracts", RoomOptions{Sidecars: &RoomSidecars{ContractID: "other"}}, vars{GovernanceVariable: governed}, "", "in one place"},
		{"a device and ports", RoomOptions{Attester: &skr.SidecarClient{}}, vars{GovernanceVariable: governed, SKRPortVariable: "1"}, "", ""},
		{"both", RoomOptions{Attester: &skr.SidecarClient{}, Sidecars: &RoomSidecars{}}, vars{}, "", "one way"},
	}
	for _, test := range tests {
		getenv := func(name string) string { return test.vars[name] }
		where, err := test.opts.way(getenv)
		var env GovernanceEnvironment
		if err == nil {
			env, err = where.environment(getenv)
		}
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: want %q, got %v", test.name, test.err, err)
			}
			continue
		}
		if err != nil || env.ContractID != id || (where != nil) != (test.skr != "") || where != nil && where.SKR != test.skr {
			t.Errorf("%s: %+v, %+v, %v", test.name, where, env.ContractID, err)
		}
	}
	if len(tests) != 19 {
		t.Errorf("%d cases", len(tests))
	}
}
