package cleanroom

import (
	"fmt"
	"regexp"
	"strings"
)

// maxApplicationText is when an application's command and variables become a
// risk of their own: they are in the contract, twice in the template, and in
// the policy. The platform does not publish its limit for a variable; what
// stays below this was accepted.
const maxApplicationText = 32 << 10

var (
	// fetching finds commands that bring code into the room that nobody
	// approved.
	fetching = regexp.MustCompile(`\b(go (get|install|run [\w./-]+@)|git clone|curl |wget |pip3? install|npm (i|install|ci)\b|apt(-get)? |apk add|dotnet restore)`)
	// building needs what the image has not: modules, a compiler's cache.
	building = regexp.MustCompile(`\bgo (run|build)\b`)
	// stopping is a shell that ends at the first failure.
	stopping = regexp.MustCompile(`\bset -[a-z]*e|\bset -o errexit`)
)

// commands looks for what the approved image will not do as it reads.
func (p *planner) commands() {
	for i := range p.spec.Applications {
		a := &p.spec.Applications[i]
		at := appPath(a)
		size := 0
		for _, v := range a.EnvironmentVariables {
			size += len(v.Name) + len(v.Value)
			// gzip's first bytes in base64
			if strings.HasPrefix(v.Value, "H4sI") {
				p.warn("CodeInEnvironment", at+".environmentVariables."+shown(v.Name), "it looks like a packed archive: the code is in the contract, and in the policy's text", "build an image with the code and pin it by its digest")
			}
		}
		p.mounts(at, a)
		script := strings.Join(a.Command, " ")
		size += len(script)
		if size > maxApplicationText {
			p.fail("ApplicationTooLarge", at, fmt.Sprintf("its command and variables have %d bytes, more than %d", size, maxApplicationText), "build an image with what is in them")
		}
		p.script(at+".command", a.Command, script)
	}
}

func (p *planner) script(at string, command []string, script string) {
	if found := fetching.FindString(script); found != "" {
		p.warn("CommandFetchesCode", at, fmt.Sprintf("%q gets code after the approval, and needs the Internet", strings.TrimSpace(found)), "build an image with all that runs and pin it by its digest")
	} else if found := building.FindString(script); found != "" {
		p.warn("CommandBuilds", at, fmt.Sprintf("%q compiles in the room, for which it needs all modules and a writable home", found), "build the program into the image, or vendor its modules and set GOCACHE")
	}
	shell := len(command) > 2 && (strings.HasSuffix(command[0], "sh")) && strings.HasPrefix(command[1], "-") && strings.HasSuffix(command[1], "c")
	if !shell {
		return
	}
	strict := strings.Contains(command[1], "e") || stopping.MatchString(script)
	if steps := strings.TrimRight(command[2], "; \n"); !strict && strings.ContainsAny(steps, ";\n") {
		p.warn("CommandIgnoresFailures", at, "the shell goes on after a step that failed, and the room ends as if all were well", "begin the script with set -euo pipefail")
	}
}

// mounts: what the program is told must be where the platform mounts it.
func (p *planner) mounts(at string, a *Application) {
	mounts, err := p.spec.mountsOf(a)
	if err != nil {
		return // a finding of the document's
	}
	paths := map[string]string{}
	for _, m := range mounts {
		paths[MountVariable(m.Name)] = m.Path
	}
	for _, v := range a.EnvironmentVariables {
		if path := paths[v.Name]; strings.HasPrefix(v.Name, mountPrefix) && path != v.Value {
			p.fail("MountVariableDiffers", at+".environmentVariables."+shown(v.Name), fmt.Sprintf("the program is told %s, but the mount is at %s", shown(v.Value), shown(path)), "call Specification.AnnounceMounts after the mounts are final, and propose the result")
		}
	}
	for _, m := range mounts {
		if point, err := p.spec.Sink(m.Name); err == nil && p.in.Sidecars {
			if mode, err := point.Mode(); err == nil && mode == "Sealed" {
				p.fail("MountSealed", at+".datasinks."+shown(m.Name), "its mode Sealed is one that no mount knows", "set the mode CPK or CSE, or run the room without the sidecars")
			}
		}
	}
}
