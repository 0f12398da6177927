package cleanroom

import (
	"fmt"
	"regexp"
	"strings"
)

// platformVariables are set by the platform itself, with values that nobody
// knows before a deployment. None is read by a room program, by the packages
// under it or by the loader.
var platformVariables = []string{
	"HOSTNAME", "TEMP", "TMP", "FabricPackageFileName", "HostedServiceName",
	"IDENTITY_API_VERSION", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "azurecontainerinstance_restarted_by",
}

// platformFamily are the platform's names of which there is no list.
const platformFamily = `(?i:FABRIC_[^=\n]+)`

var ofPlatformFamily = regexp.MustCompile(`^` + platformFamily + `$`)

// valueRule lets one variable, or a family of them, have any value of one line.
// The platform looks for the pattern anywhere in NAME=VALUE. Only with both
// anchors is it the name that is matched, not a piece of some value.
func valueRule(name string) envRule {
	return envRule{Pattern: `^` + name + `=[^\n]+$`, Strategy: "re2"}
}

// environmentRules pin each variable of the application and of its image, and
// let the platform have its own: but for a name that is pinned, since with two
// rules the host would choose between the agreed value and another.
func environmentRules(env Environment, image ImagePolicy) ([]envRule, error) {
	var rules []envRule
	pinned := map[string]bool{}
	pin := func(name, variable string) error {
		if ofPlatformFamily.MatchString(name) {
			return fmt.Errorf("the variable %s has a name that the platform sets, so that the host could give it another value; rename it", shorten(name, 80))
		}
		pinned[name] = true
		rules = append(rules, envRule{variable, true, "string"})
		return nil
	}
	for _, v := range env {
		if err := pin(v.Name, v.Name+"="+v.Value); err != nil {
			return nil, err
		}
	}
	for _, v := range image.Environment {
		name, _, _ := strings.Cut(v, "=")
		if pinned[name] {
			continue // replaced by the application's
		}
		if err := pin(name, v); err != nil {
			return nil, err
		}
	}
	if !pinned["TERM"] {
		rules = append(rules, envRule{"TERM=xterm", false, "string"})
	}
	rules = append(rules, valueRule(platformFamily))
	for _, name := range platformVariables {
		if !pinned[name] {
			rules = append(rules, valueRule(name))
		}
	}
	return rules, nil
}
