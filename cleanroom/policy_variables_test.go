package cleanroom

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// hostileVariables are what a host would add: names that a room program, its
// packages, its loader or its run time read, with values that hold a piece for
// every pattern of the policy.
func hostileVariables() []string {
	names := []string{
		GovernanceVariable, SinkVariable("consumer-output"), SinkVariable("evil"), "DB_CONFIG_CGS_SECRET_ID",
		"SSL_CERT_DIR", "SSL_CERT_FILE", "GODEBUG", "GOTRACEBACK", "GOMEMLIMIT", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT",
		"HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD",
		"AZURE_AUTHORITY_HOST", "AZURE_REGIONAL_AUTHORITY_NAME", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_SDK_GO_LOGGING",
		"IDENTITY_ENDPOINT", "MSI_ENDPOINT", "IMDS_ENDPOINT", "PGHOST", "PGSSLMODE", "PGPASSFILE", "PGSERVICEFILE",
		"PATH", "HOME", "TMPDIR", "RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES", "ZONEINFO", "GCONV_PATH", "BASH_ENV", "ENV", "IFS",
		"TERM", "XHOSTNAME", "HOSTNAME2", "XTMP", "TMP2", "TEMPX", "MY_FABRIC_A", "FABRIC", "FABRICX", "", " TMP", "TMP ", "\nTMP",
	}
	pieces := []string{
		"/etc:FABRIC_A=b", "fabric_x=y", `{ "contractId":"fabric_1","a":"=b"}`, "a HOSTNAME=b", "HOSTNAME=b", "TMP=x", "TEMP=x", "/etc:TMP=x",
		"FabricPackageFileName=x", "HostedServiceName=x", "IDENTITY_API_VERSION=x", "IDENTITY_HEADER=x", "IDENTITY_SERVER_THUMBPRINT=x",
		"azurecontainerinstance_restarted_by=x", "x\nTMP=y", "\nFABRIC_A=b\n", "TERM=xterm", "PATH=/bin", "x", "",
	}
	var list []string
	for _, n := range names {
		for _, p := range pieces {
			list = append(list, n+"="+p)
		}
	}
	return append(list, "FABRIC_A=b\nGODEBUG=x", "TMP=a\nLD_PRELOAD=b", "LD_PRELOAD=a\nTMP=b", "TMP", "FABRIC_A", "TMP=", "FABRIC_=x", "FABRIC_A\nGODEBUG=x")
}

// The platform searches for a pattern anywhere in the text of a variable: no
// rule may be found in one that the parties did not agree on.
func TestRulesAdmitNothingElse(t *testing.T) {
	containers, err := policyContainers(testDeployment(t).Policy)
	must(t, err)
	rules := 0
	for _, c := range containers {
		for _, rule := range c.EnvRules {
			rules++
			for _, v := range hostileVariables() {
				admitted := rule.Pattern == v
				if rule.Strategy == "re2" {
					admitted = regexp.MustCompile(rule.Pattern).MatchString(v)
				}
				if admitted && v != "TERM=xterm" {
					t.Errorf("%s admits %q", rule.Pattern, v)
				}
			}
		}
	}
	if n := len(hostileVariables()); rules != 21 || n < 1000 {
		t.Errorf("%d rules, %d variables", rules, n)
	}
}

// The platform's own variables are still admitted.
func TestRulesAdmitThePlatform(t *testing.T) {
	template, err := ParseTemplate(testDeployment(t).Template)
	must(t, err)
	env := append(processEnvironment(template), "PATH=/usr/local/go/bin:/usr/bin:/bin", "GOTOOLCHAIN=local",
		"TERM=xterm", "HOSTNAME=SandboxHost-638", "TEMP=/tmp", "TMP=/tmp", "FabricPackageFileName=p", "HostedServiceName=s",
		"Fabric_NodeIPOrFQDN=10.0.0.4", "FABRIC_ID=a=b", "Fabric_NET-0-[Delegated]=10.0.0.4", "IDENTITY_API_VERSION=2019",
		"IDENTITY_HEADER=x", "IDENTITY_SERVER_THUMBPRINT=ab", "azurecontainerinstance_restarted_by=x")
	must(t, template.CheckProcess("demo-app", template.Command("demo-app"), env))
}

func processEnvironment(t *Template) []string {
	var env []string
	for _, v := range t.Environment("demo-app") {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}

func TestCheckProcessRefuses(t *testing.T) {
	template, err := ParseTemplate(testDeployment(t).Template)
	must(t, err)
	good := append(processEnvironment(template), "PATH=/usr/local/go/bin:/usr/bin:/bin", "GOTOOLCHAIN=local")
	command := template.Command("demo-app")
	must(t, template.CheckProcess("demo-app", command, good))
	for _, v := range hostileVariables() {
		if v == "TERM=xterm" {
			continue
		}
		err := template.CheckProcess("demo-app", command, append(slices.Clone(good), v))
		if err == nil || !strings.HasPrefix(err.Error(), "cleanroom: check process of application \"demo-app\": the policy has no rule") {
			t.Fatalf("%q: %v", v, err)
		}
	}
	for i := range good {
		err := template.CheckProcess("demo-app", command, slices.Delete(slices.Clone(good), i, i+1))
		if err == nil || !strings.Contains(err.Error(), "is missing") {
			t.Errorf("without %.30q: %v", good[i], err)
		}
	}
	changed := func(policy string) *Template { c := *template; c.policy = []byte(policy); return &c }
	for name, c := range map[string]struct {
		t       *Template
		app     string
		command []string
		say     string
	}{
		"another command": {template, "demo-app", []string{"sh"}, "command differs"},
		"more words":      {template, "demo-app", append(slices.Clone(command), "-x"), "command differs"},
		"no application":  {template, "other", command, "no container of this name"},
		"pause":           {template, "", []string{"/pause"}, "no container of this name"},
		"two lists":       {changed(string(template.policy) + "\ncontainers := []\n"), "demo-app", command, "one list"},
		"no list":         {changed("package policy\n"), "demo-app", command, "one list"},
		"no JSON":         {changed("\ncontainers := data.x\n"), "demo-app", command, "list of containers"},
		"strategy":        {changed(strings.Replace(string(template.policy), `"strategy": "re2"`, `"strategy": "any"`, 1)), "demo-app", command, "unknown strategy"},
		"bad pattern":     {changed(strings.Replace(string(template.policy), `^HOSTNAME=`, `(`, 1)), "demo-app", command, "rule of the environment"},
	} {
		if err := c.t.CheckProcess(c.app, c.command, good); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// An unanchored pattern is judged as the platform judges it.
	loose := changed(strings.Replace(string(template.policy), `"^TMP=[^\\n]+$"`, `"TMP=.+"`, 1))
	if err := loose.CheckProcess("demo-app", command, append(slices.Clone(good), "SSL_CERT_DIR=/etc:TMP=x")); err != nil {
		t.Errorf("an unanchored pattern: %v", err)
	}
}

// With a name that is pinned the platform's rule goes; a name of the
// platform's family cannot be pinned.
func TestPlatformNamesArePinnedOnce(t *testing.T) {
	image := ImagePolicy{Environment: []string{"TMP=/scratch", "PATH=/bin", "HOSTNAME=image"}}
	rules, err := environmentRules(Environment{{"TERM", "dumb"}, {"HOSTNAME", "agreed"}}, image)
	must(t, err)
	for _, v := range []string{"TMP=/evil", "TERM=xterm", "HOSTNAME=evil", "HOSTNAME=image"} {
		if err := checkRules(rules, []string{"TERM=dumb", "HOSTNAME=agreed", "TMP=/scratch", "PATH=/bin", v}); err == nil {
			t.Errorf("%s beside the agreed value", v)
		}
	}
	must(t, checkRules(rules, []string{"TERM=dumb", "HOSTNAME=agreed", "TMP=/scratch", "PATH=/bin", "TEMP=/x"}))
	for _, name := range []string{"FABRIC_A", "fabric_mode", "Fabric_X"} {
		if _, err := environmentRules(Environment{{name, "x"}}, ImagePolicy{}); err == nil {
			t.Errorf("%s is pinned", name)
		}
		if _, err := environmentRules(nil, ImagePolicy{Environment: []string{name + "=x"}}); err == nil {
			t.Errorf("%s of the image is pinned", name)
		}
	}
}
