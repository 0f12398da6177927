package governance

import (
	"encoding/json"
	"testing"
)

// TestSetContractArgs: a name in another case is another name, as it is for
// the constitution.
func TestSetContractArgs(t *testing.T) {
	for text, want := range map[string][2]string{
		`{"contractId":"k","contract":{"data":"x"}}`: {"k", `"x"`},
		`{"contractid":"k","contract":{"data":"x"}}`: {"", ""},
		`{"contractId":"k","Contract":{"data":"x"}}`: {"k", ""},
		`{"contractId":"k","contract":{"Data":"x"}}`: {"k", ""},
		`{"contractId":1,"contract":{"data":"x"}}`:   {"", ""},
		`[]`: {"", ""},
		``:   {"", ""},
	} {
		id, data := setContractArgs(Action{Name: "set_contract", Args: json.RawMessage(text)})
		if id != want[0] || string(data) != want[1] {
			t.Errorf("%s: %q, %s", text, id, data)
		}
	}
}
