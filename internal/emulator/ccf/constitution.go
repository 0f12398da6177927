package ccf

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// definition is one action of the constitution. apply may be nil for an action
// whose effect nothing here can see.
type definition struct {
	validate func(x *tx, args any) error
	apply    func(a *applying, args any) error
}

// applying is an accepted proposal that is being applied.
type applying struct {
	service  *Service
	tx       *tx
	id       string
	proposal proposal
}

// validateActions collects what the constitution's validate says against the
// actions.
func validateActions(x *tx, actions []action) []string {
	var problems []string
	for i, a := range actions {
		d, ok := definitions[a.name]
		if !ok {
			problems = append(problems, a.name+": no such action")
			continue
		}
		if d.validate == nil {
			continue
		}
		if err := d.validate(x, a.args); err != nil {
			problems = append(problems, fmt.Sprintf("%s at position %d failed validation: %v\n", a.name, i, err))
		}
	}
	return problems
}

func applyActions(a *applying) error {
	for _, action := range a.proposal.actions {
		d := definitions[action.name]
		if d.apply == nil {
			continue
		}
		if err := d.apply(a, action.args); err != nil {
			return err
		}
	}
	return nil
}

// dropOthers marks all other open proposals as dropped: what they were
// validated against is no longer in force.
func dropOthers(a *applying) {
	for _, id := range proposalTable.keys(a.tx) {
		if p, _ := proposalTable.get(a.tx, id); id != a.id && p.state == stateOpen {
			p.state = stateDropped
			proposalTable.put(a.tx, id, p)
		}
	}
}

// rule is a check of one argument.
type rule func(args any) error

// check makes a validation of rules that need no state.
func check(rules ...rule) func(*tx, any) error {
	return func(_ *tx, args any) error { return checkAll(args, rules) }
}

func checkAll(args any, rules []rule) error {
	if len(rules) > 0 && (args == nil || args == undefined) {
		return throw("TypeError: cannot read property of %s", display(args))
	}
	for _, r := range rules {
		if err := r(args); err != nil {
			return err
		}
	}
	return nil
}

// is wants a type of typeof, so null and lists are objects.
func is(kind, name string) rule {
	return func(args any) error {
		if got := typeOf(field(args, name)); got != kind {
			return throw("Error: %s must be of type %s but is %s", name, kind, got)
		}
		return nil
	}
}

// optional applies a rule unless the argument is absent or null.
func optional(name string, r rule) rule {
	return func(args any) error {
		if v := field(args, name); v == nil || v == undefined {
			return nil
		}
		return r(args)
	}
}

func optionalType(kind, name string) rule { return optional(name, is(kind, name)) }

// integer wants an integer of at least low and at most high.
func integer(name string, low, high float64) rule {
	return func(args any) error {
		f, ok := field(args, name).(float64)
		if !ok || f != math.Trunc(f) {
			return throw("Error: %s must be an integer", name)
		}
		if f < low || f > high {
			return throw("Error: %s must be between %g and %g", name, low, high)
		}
		return nil
	}
}

func entity(name string) rule {
	return func(args any) error {
		if s, ok := textField(args, name); !ok || !isEntityID(s) {
			return throw("Error: %s must be a hex-encoded entity ID of 64 digits", name)
		}
		return nil
	}
}

func certificate(name string) rule {
	return func(args any) error {
		s, ok := textField(args, name)
		if !ok {
			return throw("Error: %s must be of type string but is %s", name, typeOf(field(args, name)))
		}
		_, err := parseCertificate(s)
		return err
	}
}

func oneOf(name string, values ...string) rule {
	return func(args any) error {
		if s, ok := textField(args, name); !ok || !slices.Contains(values, s) {
			return throw("Error: %s must be one of %q", name, values)
		}
		return nil
	}
}

// definitions holds every action that this network knows.
var definitions = mergeDefinitions(ccfActions, cgsActions, identityActions)

func mergeDefinitions(sets ...map[string]definition) map[string]definition {
	all := map[string]definition{}
	for _, set := range sets {
		maps.Copy(all, set)
	}
	return all
}
