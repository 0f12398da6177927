package cleanroom

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

func (v *validator) applications() {
	seen, ports := map[string]bool{}, map[int]bool{}
	for i := range v.spec.Applications {
		a := &v.spec.Applications[i]
		path := fmt.Sprintf("applications[%d]", i)
		v.name(path, a.Name, seen, checkName)
		v.image(path+".image.executable", a)
		v.environment(path+".environmentVariables", a.EnvironmentVariables)
		if v.spec.Generation == G1 {
			v.mountsG1(path+".runtimeSettings.mounts", a.RuntimeSettings.Mounts)
			v.portsG1(path+".runtimeSettings.ports", a.RuntimeSettings.Ports)
		} else {
			v.mounts(path+".datasources", "DataStoreNotFound", "datasource", a.Datasources, v.sourceFor)
			v.mounts(path+".datasinks", "DatasinkNotFound", "datasink", a.Datasinks, v.sinkFor)
			if err := checkMounts(a.Datasources, a.Datasinks); err != nil {
				v.fail("InvalidMount", path, err.Error(), "give each access point a path of its own")
			}
			v.ports(path+".runtimeSettings.ports", a.RuntimeSettings.Ports, ports)
		}
		v.resources(path+".runtimeSettings.resource.requests", a.RuntimeSettings.Resource.Requests)
	}
	if len(v.spec.Applications) > 1 {
		v.warn("MultipleApplications", "applications", fmt.Sprintf("there are %d applications; each sees the room's network and can impersonate the others", len(v.spec.Applications)), "check that their owners trust each other")
	}
}

func (v *validator) image(path string, a *Application) {
	if err := checkImage(a.Image.Reference()); err != nil {
		v.fail("ImageNotPinned", path+".backingResource.id", err.Error(), "look the digest up with the registry's own tool")
	}
	if id := a.Image.Executable.Identity; id != nil {
		v.copyOf(path+".identity", id)
	}
}

func (v *validator) environment(path string, e Environment) {
	if err := checkEnvironment(e); err != nil {
		v.fail("InvalidEnvironment", path, err.Error(), "rename the variable, or remove it")
	}
}

// looksSecret finds the two shapes of a secret that nothing else has. It is
// a net for accidents, not a proof.
func looksSecret(s string) bool {
	if strings.Contains(s, "PRIVATE KEY-----") {
		return true
	}
	_, rest, ok := strings.Cut(s, "://")
	if !ok {
		return false
	}
	authority, _, _ := strings.Cut(rest, "/")
	user, _, ok := strings.Cut(authority, "@")
	_, password, has := strings.Cut(user, ":")
	return ok && has && password != ""
}

func (v *validator) mounts(path, id, kind string, m Mounts, known map[string]*AccessPoint) {
	for _, x := range m {
		if known[x.Name] == nil {
			v.fail(id, join(path, x.Name), fmt.Sprintf("the %s %q is not in the document", kind, shorten(x.Name, 80)), "add it, or merge with the document of the party that has it")
		}
	}
}

// controlPort is the room's own.
const controlPort = 8200

func (v *validator) ports(path string, ports []int, seen map[int]bool) {
	for i, p := range ports {
		at := path + "[" + strconv.Itoa(i) + "]"
		if err := checkPort(p); err != nil {
			v.fail("InvalidPort", at, err.Error(), "choose a port in the range")
			continue
		}
		if p == controlPort {
			v.fail("ReservedPort", at, fmt.Sprintf("the port %d is the room's own", controlPort), "choose another port")
		}
		if seen[p] {
			v.fail("DuplicatePort", at, fmt.Sprintf("the port %d is used twice; applications share one address", p), "choose another port")
		}
		seen[p] = true
	}
	if n := v.spec.Network; len(ports) > 0 && (n == nil || n.HTTP == nil || n.HTTP.Inbound == nil) {
		v.warn("InboundTrafficNotAllowed", path, "the ports cannot be reached: inbound traffic is not enabled", "add network.http.inbound or remove the ports")
	}
}

func (v *validator) resources(path string, r ResourceRequests) {
	if !positive(r.CPU) || !positive(r.MemoryInGB) {
		v.fail("InvalidResources", path, "cpu and memoryInGB must be positive", "request what the application needs")
	}
}

// limits compares the sum with what the platform gives.
func (v *validator) limits(l Limits) {
	var sum Limits
	for i := range v.spec.Applications {
		r := v.spec.Applications[i].RuntimeSettings.Resource.Requests
		sum.CPU += r.CPU
		sum.MemoryInGB += r.MemoryInGB
	}
	if l.CPU > 0 && sum.CPU > l.CPU {
		v.fail("ResourceLimit", "applications", fmt.Sprintf("the applications request %s cores, the limit is %s", formatAmount(sum.CPU), formatAmount(l.CPU)), "request less, or deploy to a region with a higher limit")
	}
	if l.MemoryInGB > 0 && sum.MemoryInGB > l.MemoryInGB {
		v.fail("ResourceLimit", "applications", fmt.Sprintf("the applications request %s GB, the limit is %s GB", formatAmount(sum.MemoryInGB), formatAmount(l.MemoryInGB)), "request less, or deploy to a region with a higher limit")
	}
}

func (v *validator) network() {
	n := v.spec.Network
	if n == nil {
		return
	}
	if h := n.HTTP; h != nil {
		v.direction("network.http.inbound", "InboundAllowAll", h.Inbound)
		v.direction("network.http.outbound", "OutboundAllowAll", h.Outbound)
	}
	if t := n.TCP; t != nil {
		v.tcp(t.Outbound)
	}
	if d := n.DNS; d != nil {
		v.enabled("network.dns", d.Enabled)
		if err := checkPort(d.Port); err != nil {
			v.fail("InvalidPort", "network.dns.port", err.Error(), "the port of name servers is 53")
		}
	}
}

func (v *validator) direction(path, allowAll string, d *HTTPDirection) {
	if d == nil {
		return
	}
	v.enabled(path, d.Enabled)
	if p := d.Policy.PrivacyPolicy; p == nil || p.Policy == nil {
		v.warn(allowAll, path, "there is no policy: all traffic of this direction is allowed", "name a policy bundle")
	} else if p.Policy.External == nil {
		v.fail("UnsupportedNetworkPolicy", path+".policy.privacyPolicy", "the policy is written inline", "name a policy bundle in a registry")
	}
}

func (v *validator) tcp(out *TCPOutbound) {
	const path = "network.tcp.outbound"
	if out == nil {
		v.fail("EmptyNetworkSection", "network.tcp", "the section is there without outbound, which the reference tools cannot read", "set network.tcp to null")
		return
	}
	v.enabled(path, out.Enabled)
	seen := make(map[AllowedIP]bool, len(out.AllowedIPs))
	for i, a := range out.AllowedIPs {
		at := fmt.Sprintf("%s.allowedIPs[%d]", path, i)
		if ip, err := netip.ParseAddr(a.Address); err != nil || ip.Zone() != "" {
			v.fail("InvalidAddress", at+".address", fmt.Sprintf("%q is not an IP address", shorten(a.Address, 80)), "resolve the host name first")
		}
		if err := checkPort(a.Port); err != nil {
			v.fail("InvalidPort", at+".port", err.Error(), "choose a port in the range")
		}
		if seen[a] {
			v.warn("DuplicateAddress", at, "the address and port are listed twice", "remove one of them")
		}
		seen[a] = true
	}
}

// enabled: what is there is open, whatever the flag says.
func (v *validator) enabled(path string, enabled bool) {
	if !enabled {
		v.fail("MisleadingEnabled", path+".enabled", "the flag is false, but the section opens the network by being there", "remove the section to close it")
	}
}
