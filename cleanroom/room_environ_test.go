package cleanroom

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestCheckEnviron(t *testing.T) {
	for _, c := range []struct {
		say     string // "" for none
		environ []string
	}{
		{"", []string{"A=1", "B=1", "C=", "a=2", "", "=x", "=x", "X", "X"}},
		{`"A" twice`, []string{"A=1", "A=2"}},
		{`"A" twice`, []string{"A=1", "B=2", "A=1"}},
		{`"CLEANROOM_GOVERNANCE" twice`, []string{GovernanceVariable + `={"a":"b"}`, GovernanceVariable + "="}},
		{`"CLEANROOM_SINK_A" twice`, []string{SinkVariable("a") + "=", SinkVariable("a") + "=x"}},
		{`"SSL_CERT_FILE" twice`, []string{"SSL_CERT_FILE=/agreed", "SSL_CERT_FILE=/evil"}},
		{"AZURE_REGIONAL_AUTHORITY_NAME", []string{"AZURE_REGIONAL_AUTHORITY_NAME=x"}},
	} {
		err := checkEnviron(c.environ)
		if (err == nil) != (c.say == "") || err != nil && !strings.Contains(err.Error(), c.say) {
			t.Errorf("%q: %v", c.environ, err)
		}
		if err != nil && strings.Contains(err.Error(), "evil") {
			t.Errorf("the error shows a value: %v", err)
		}
	}
}

// asDoubled makes this test binary the program in a room whose host added a
// second variable. The run time hides it from os.Environ.
const asDoubled = "CLEANROOM_TEST_AS_DOUBLED"

func TestEnterRefusesDoubledVariable(t *testing.T) {
	if os.Getenv(asDoubled) != "" {
		_, err := Enter(t.Context(), nil)
		os.Stdout.WriteString("ENTERED: " + err.Error() + "\n")
		return
	}
	if runtime.GOOS != "linux" {
		return // a room is Linux; elsewhere there is no such list to read
	}
	for say, env := range map[string][]string{
		`ENTERED: cleanroom: enter room: the environment has the variable "CLEANROOM_GOVERNANCE" twice`: {
			GovernanceVariable + `={"contractId":"evil"}`, GovernanceVariable + `={"contractId":"agreed"}`},
		// Without a second one it is the value itself that is read.
		`ENTERED: cleanroom: enter room: cleanroom: read CLEANROOM_GOVERNANCE: `: {GovernanceVariable + `={"contractId":"agreed"}`},
	} {
		out := runDoubled(t, append(env, asDoubled+"=1", "PATH=/bin"))
		if !strings.Contains(out, say) {
			t.Errorf("want %q, got %s", say, out)
		}
	}
}

// runDoubled starts this program with exactly env. Package exec would leave
// the second of two variables out.
func runDoubled(t *testing.T, env []string) string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	out, err := os.CreateTemp(t.TempDir(), "out")
	must(t, err)
	defer out.Close()
	p, err := os.StartProcess(self, []string{self, "-test.run=^TestEnterRefusesDoubledVariable$"}, &os.ProcAttr{Env: env, Files: []*os.File{nil, out, out}})
	must(t, err)
	_, err = p.Wait()
	must(t, err)
	b, err := os.ReadFile(out.Name())
	must(t, err)
	return string(b)
}
