package cleanroom

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/governance"
)

var (
	// secretVariable is what the scenario and its descendants call a variable
	// with the id of a secret.
	secretVariable = regexp.MustCompile(`(^|_)SECRET_ID$`)
	// memberSecret is the id of a secret in every form that was ever written.
	memberSecret = regexp.MustCompile(`^([0-9a-f]{64})([_:-])(.+)$`)
	// shellName is the name of a variable that a shell did not replace.
	shellName = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)
)

// secretUse is a variable of an application that names a secret.
type secretUse struct{ path, id string }

// secretUses finds them by the variable's name or by the form of its value.
func (p *planner) secretUses() (uses []secretUse) {
	for i := range p.spec.Applications {
		a := &p.spec.Applications[i]
		for _, v := range a.EnvironmentVariables {
			if secretVariable.MatchString(v.Name) || memberSecret.MatchString(v.Value) {
				uses = append(uses, secretUse{appPath(a) + ".environmentVariables." + shown(v.Name), v.Value})
			}
		}
	}
	return uses
}

// secrets compares the ids in the document with those that are stored. The
// contract fixes an id before the secret is there, so that a mistake shows in
// the room only.
func (p *planner) secrets() {
	uses := p.secretUses()
	var known []string
	for _, s := range p.in.Secrets {
		known = append(known, s.ID)
	}
	for _, u := range uses {
		if p.secretID(u) {
			p.secretStored(u, known)
		}
	}
	for _, id := range known {
		if !slices.ContainsFunc(uses, func(u secretUse) bool { return u.id == id }) {
			p.warn("SecretUnused", "secret "+shown(id), "no variable of an application names it", "compare it with the ids in the document; the program cannot know it otherwise")
		}
	}
}

// secretID judges the form. It reports whether there is something to look for.
func (p *planner) secretID(u secretUse) bool {
	const remedy = "write governance.SecretID of the owner's member id and the secret's name"
	if owner, name, ok := strings.Cut(u.id, "_"); ok && owner == governance.CleanRoomID && name != "" {
		return true
	}
	m := memberSecret.FindStringSubmatch(u.id)
	name := u.id
	if m != nil {
		name = m[3]
	}
	switch {
	case strings.ContainsAny(u.id, "${}<>% "), shellName.MatchString(name):
		p.fail("SecretIdPlaceholder", u.path, fmt.Sprintf("%q is the name of a value that was not put in", shown(u.id)), remedy)
	case m == nil:
		p.fail("SecretIdMalformed", u.path, fmt.Sprintf("%q is not the id of a secret, MEMBER_NAME with the 64 hex digits of the member", shown(u.id)), remedy)
	case m[2] != "_":
		p.fail("SecretIdSeparator", u.path, fmt.Sprintf("%q stands between member and name; this generation of the governance service writes an underscore", m[2]), remedy)
	default:
		p.secretOwner(u, m[1])
		return true
	}
	return false
}

func (p *planner) secretOwner(u secretUse, member string) {
	var names []string
	for _, party := range p.in.Parties {
		if party.MemberID == "" {
			return
		}
		if party.MemberID == member {
			return
		}
		names = append(names, shown(party.Name))
	}
	if len(names) > 0 {
		p.fail("SecretOwnerUnknown", u.path, fmt.Sprintf("the member %s is none of the parties %s", member[:12], strings.Join(names, ", ")), "take the member id that the governance service shows for the owner")
	}
}

func (p *planner) secretStored(u secretUse, known []string) {
	switch {
	case p.in.Secrets == nil:
		p.unproven("SecretsUnknown", u.path, "whether the secret is stored", "list the contract's secrets")
	case !slices.Contains(known, u.id):
		remedy := "have its owner store it under this name"
		if len(known) > 0 {
			remedy += ", or name the one that is meant; " + shown(nearestSecret(u.id, known))
		}
		p.fail("SecretNotStored", u.path, fmt.Sprintf("the contract has no secret %s", shown(u.id)), remedy)
	}
}

// nearestSecret compares the names: the member ids would hide a difference.
func nearestSecret(id string, known []string) string {
	bare := func(id string) string {
		if m := memberSecret.FindStringSubmatch(id); m != nil {
			return m[3]
		}
		return id
	}
	var names []string
	for _, k := range known {
		names = append(names, bare(k))
	}
	return suggestion(bare(id), names)
}
