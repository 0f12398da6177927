package cleanroom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// CheckProcess judges, as the platform does by the template's policy, whether a
// process may be started as the container app: command is its whole command
// and env its whole environment, as NAME=VALUE. An error names the first word or
// variable that the policy has no rule for, or the first required variable
// that is missing. It shows no value.
//
// The platform is more lenient in one point: it leaves a variable without a
// rule out of the environment and starts the process. Patterns are searched for
// anywhere in NAME=VALUE, as the platform searches, so that a pattern without
// anchors admits here what it admits there. Only policies of the form that
// [Generate] writes are read: one list "containers" in JSON.
func (t *Template) CheckProcess(app string, command, env []string) error {
	if err := t.checkProcess(app, command, env); err != nil {
		return fmt.Errorf("cleanroom: check process of application %q: %w", shorten(app, 80), err)
	}
	return nil
}

func (t *Template) checkProcess(app string, command, env []string) error {
	containers, err := policyContainers(t.policy)
	if err != nil {
		return err
	}
	var c *policyContainer
	for i := range containers {
		if containers[i].Name != app || app == "" {
			continue
		}
		if c != nil {
			return errors.New("the policy has two containers of this name")
		}
		c = &containers[i]
	}
	if c == nil {
		return errors.New("the policy has no container of this name")
	}
	if !slices.Equal(c.Command, command) {
		return fmt.Errorf("the command differs from the policy's, which has %d words; start the process with the template's command", len(c.Command))
	}
	return checkRules(c.EnvRules, env)
}

// policyContainers reads the list out of the policy's text.
func policyContainers(policy []byte) ([]policyContainer, error) {
	const start = "\ncontainers := "
	_, list, ok := bytes.Cut(policy, []byte(start))
	if !ok || bytes.Contains(list, []byte(start)) {
		return nil, errors.New("the policy does not have one list of containers")
	}
	var containers []policyContainer
	if err := json.NewDecoder(bytes.NewReader(list)).Decode(&containers); err != nil {
		return nil, fmt.Errorf("the policy's list of containers: %w", err)
	}
	return containers, nil
}

// checkRules wants a rule for each variable, and a variable for each required
// rule.
func checkRules(rules []envRule, env []string) error {
	used := make([]bool, len(rules))
	matches := make([]func(string) bool, len(rules))
	for i, rule := range rules {
		switch rule.Strategy {
		case "string":
			matches[i] = func(v string) bool { return v == rule.Pattern }
		case "re2":
			pattern, err := regexp.Compile(rule.Pattern)
			if err != nil {
				return fmt.Errorf("a rule of the environment: %w", err)
			}
			matches[i] = pattern.MatchString
		default:
			return fmt.Errorf("a rule of the environment has the unknown strategy %q", shorten(rule.Strategy, 20))
		}
	}
	for _, v := range env {
		admitted := false
		for i := range rules {
			if matches[i](v) {
				admitted, used[i] = true, true
			}
		}
		if !admitted {
			name, _, _ := strings.Cut(v, "=")
			return fmt.Errorf("the policy has no rule for the variable %q with this value; start the process with the template's environment", shorten(name, 80))
		}
	}
	for i, rule := range rules {
		if rule.Required && !used[i] {
			name, _, _ := strings.Cut(rule.Pattern, "=")
			return fmt.Errorf("the variable %q is missing, which the policy requires", shorten(name, 80))
		}
	}
	return nil
}
