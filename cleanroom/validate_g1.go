package cleanroom

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// endpoints checks what [G1] opens to inbound traffic.
func (v *validator) endpoints() {
	list := v.spec.ApplicationEndpoints
	if list == nil {
		v.fail("EndpointsMissing", "applicationEndpoints", "the list is missing or null, which the reference tools cannot deploy", "write [] if there are none")
		return
	}
	seen := map[int]bool{}
	for i := range list {
		e := &list[i]
		path := fmt.Sprintf("applicationEndpoints[%d]", i)
		if p := e.Protection.PrivacyPolicy; p == nil || p.Policy == nil {
			v.warn("NetworkAllowAll", path, "there is no policy: all traffic to the port is allowed", "name a policy bundle")
		} else if p.Policy.External == nil {
			v.fail("UnsupportedNetworkPolicy", path+".protection.privacyPolicy", "the policy is written inline", "name a policy bundle in a registry")
		}
		if err := checkPort(e.Port); err != nil {
			v.fail("InvalidPort", path+".port", err.Error(), "choose a port in the range")
		}
		if seen[e.Port] {
			v.fail("DuplicatePort", path+".port", fmt.Sprintf("the port %d is used twice", e.Port), "remove one of them")
		}
		seen[e.Port] = true
	}
	if len(seen) > 1 {
		v.fail("MultipleApplicationEndpointsNotSupported", "applicationEndpoints", fmt.Sprintf("there are %d endpoints, of which the reference tools can deploy one", len(list)), "keep one of them")
	}
}

// sandboxG1: without one, applications reach any address, and so can what they
// were made to run.
func (v *validator) sandboxG1() {
	if b := v.spec.Sandbox; b != nil && b.SandboxType == SandboxNone {
		v.warn("SandboxDisabled", "sandbox.sandboxType", "the applications can reach any address", "upgrade the document and list what may be reached under network")
	}
}

// mountsG1 checks the mounts of an application: each must name one access
// point of the document.
func (v *validator) mountsG1(path string, m Mounts) {
	list, err := decodeMounts(m)
	if err != nil {
		v.fail("InvalidMount", path, err.Error(), `write "src=NAME": "dst=/PATH"`)
		return
	}
	for _, x := range list {
		if v.sourceFor[x.Name] == nil && v.sinkFor[x.Name] == nil {
			v.fail("DatasinkNotFound", join(path, "src="+x.Name), fmt.Sprintf("the access point %q is not in the document", shorten(x.Name, 80)), "add it, or merge with the document of the party that has it")
		}
	}
	if err := checkMounts(list); err != nil {
		v.fail("InvalidMount", path, err.Error(), "give each access point a path of its own")
	}
}

// decodeMounts takes the prefixes off.
func decodeMounts(m Mounts) (Mounts, error) {
	var list Mounts
	for _, x := range m {
		name, isSource := strings.CutPrefix(x.Name, "src=")
		path, isTarget := strings.CutPrefix(x.Path, "dst=")
		if !isSource || !isTarget {
			return nil, fmt.Errorf("the mount %q: %q has not the prefixes src= and dst=, without which the reference tools cannot deploy it", shorten(x.Name, 80), shorten(x.Path, 80))
		}
		if strings.Contains(path, "=") || strings.Contains(name, "=") {
			return nil, fmt.Errorf("the mount %q: %q has an equals sign, at which the reference tools cut it off", shorten(x.Name, 80), shorten(x.Path, 80))
		}
		list = append(list, Mount{name, path})
	}
	return list, nil
}

func encodeMounts(lists ...Mounts) Mounts {
	out := Mounts{}
	for _, list := range lists {
		for _, m := range list {
			out = append(out, Mount{"src=" + m.Name, "dst=" + m.Path})
		}
	}
	return out
}

// portsG1 checks numbers only: several endpoints of one application may name
// one port, and the room's own port came with G2.
func (v *validator) portsG1(path string, ports []int) {
	for i, p := range ports {
		if err := checkPort(p); err != nil {
			v.fail("InvalidPort", path+"["+strconv.Itoa(i)+"]", err.Error(), "choose a port in the range")
		}
	}
}

// modeG1: the tools of that form cannot deploy an access point without keys,
// and know no sealed one.
func (v *validator) modeG1(path string, a *AccessPoint) {
	mode, err := a.Mode()
	if err != nil {
		return // protection says it
	}
	if mode == "Sealed" {
		v.fail("UnknownEncryptionMode", path+".configuration", "the tools of G1 do not know the encryption mode Sealed", "use CPK, CSE or SSE, or upgrade the document")
	}
	if mode == "SSE" && (a.Protection.EncryptionSecrets == nil || a.Protection.EncryptionSecretAccessIdentity == nil) {
		v.fail("EncryptionSecretsMissing", path+".encryptionSecrets", "the reference tools of G1 need a data key and a KEK in every mode", "add the access point again, or upgrade the document")
	}
}

// Upgrade gives the document in the form [G2]: mounts become datasources and
// datasinks, the endpoint becomes inbound HTTP, and configurations are written
// as base64. What G2 cannot say is an error: a disabled sandbox (remove it with
// EnableSandbox, and list what may be reached with [Specification.AllowTCP]).
// The receiver is not changed; a document of G2 is copied.
func (s *Specification) Upgrade() (*Specification, error) {
	up := s.clone()
	up.kek = s.kek
	if s.Generation == G2 {
		return up, nil
	}
	if err := up.upgrade(); err != nil {
		return nil, fmt.Errorf("cleanroom: upgrade specification: %w", err)
	}
	return up, nil
}

func (s *Specification) upgrade() error {
	if s.Sandbox != nil && s.Sandbox.SandboxType == SandboxNone {
		return errors.New("the sandbox is disabled, which G2 does not have; enable it, and list what may be reached under network")
	}
	s.Generation = G2
	for i := range s.Applications {
		if err := s.upgradeApplication(&s.Applications[i]); err != nil {
			return err
		}
	}
	lists := [][]AccessPoint{s.Datasources, s.Datasinks}
	for _, a := range s.telemetryCopies() {
		if err := a.rewrite(G2); err != nil {
			return err
		}
	}
	for _, list := range lists {
		for i := range list {
			if err := list[i].rewrite(G2); err != nil {
				return err
			}
		}
	}
	return s.upgradeEndpoints()
}

func (s *Specification) upgradeApplication(a *Application) error {
	mounts, err := decodeMounts(a.RuntimeSettings.Mounts)
	if err != nil {
		return fmt.Errorf("application %q: %w", shorten(a.Name, 80), err)
	}
	a.StartType, a.Datasources, a.Datasinks, a.RuntimeSettings.Mounts = StartAuto, Mounts{}, Mounts{}, nil
	for _, m := range mounts {
		switch {
		case find(s.Datasinks, m.Name, accessPointName) != nil:
			a.Datasinks = append(a.Datasinks, m)
		case find(s.Datasources, m.Name, accessPointName) != nil:
			a.Datasources = append(a.Datasources, m)
		default:
			return fmt.Errorf("application %q mounts %q, which is not in the document; merge with that of the party that has it", shorten(a.Name, 80), shorten(m.Name, 80))
		}
	}
	if p := a.Image.EnforcementPolicy.Policy; p != nil && p.Inline != nil && p.Inline.PolicyDocument != nil {
		if err := rewriteConfiguration(p.Inline.PolicyDocument, G2); err != nil {
			return fmt.Errorf("application %q: enforcement policy: %w", shorten(a.Name, 80), err)
		}
	}
	return nil
}

// upgradeEndpoints: there is one policy for all inbound traffic.
func (s *Specification) upgradeEndpoints() error {
	switch len(s.ApplicationEndpoints) {
	case 0:
	case 1:
		s.Network = &NetworkSettings{HTTP: &HTTPSettings{Inbound: &HTTPDirection{Enabled: true, Policy: s.ApplicationEndpoints[0].Protection}}}
	default:
		return errors.New("there are several endpoints, each with a policy of its own; keep one of them")
	}
	s.ApplicationEndpoints = nil
	return nil
}

// telemetryCopies are the sinks that the document repeats under governance.
func (s *Specification) telemetryCopies() []*AccessPoint {
	if s.Governance == nil || s.Governance.Telemetry == nil {
		return nil
	}
	var copies []*AccessPoint
	if a := s.Governance.Telemetry.Application; a != nil {
		copies = append(copies, &a.Logs)
	}
	if i := s.Governance.Telemetry.Infrastructure; i != nil {
		copies = append(copies, &i.Logs, &i.Metrics, &i.Traces)
	}
	return copies
}
