package cleanroom

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
)

// GenerateSidecars makes the deployment of a merged document for a room with
// the sidecars of a release: a launcher for each application, a mount for each
// datasource and datasink, the proxy that filters the network as the document's
// section says, identities, governance, key release and secrets, telemetry, and
// before all of them the firewall. Equal inputs give equal bytes. Nothing is
// pulled but the release's documents, so that a deployment can be made anywhere.
//
// The containers start together, after the firewall; who needs another waits
// for its port or marker. Two things are not in the host data, as the release
// has it: resources, and the ids of clients and tenants.
//
// [GenerateOptions.Images] is not read: the applications' images are pinned by
// their digests in the launchers' arguments, and pulled inside the room.
// [GenerateOptions.Limits] bound the sum of all containers. A datasink of mode
// Sealed is refused, and one in S3: no mount of these sidecars knows them.
//
// The proposals of such a deployment are not for [VerifyProposals], which reads
// the direct form: make the deployment again and compare host data and template.
func GenerateSidecars(ctx context.Context, s *Specification, release SidecarRelease, opts GenerateOptions) (*Deployment, error) {
	d, err := generateSidecars(ctx, s, &release, &opts)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: generate deployment with sidecars of contract %q: %w", shorten(opts.ContractID, 80), err)
	}
	return d, nil
}

func generateSidecars(ctx context.Context, s *Specification, release *SidecarRelease, opts *GenerateOptions) (*Deployment, error) {
	switch {
	case s == nil:
		return nil, errors.New("there is no specification; merge the documents of the parties")
	case s.Generation != G2:
		return nil, fmt.Errorf("the document is of generation %s; upgrade it", s.Generation)
	case len(s.Applications) == 0:
		return nil, errors.New("the document has no application; merge it with that of the party that brings one")
	case !validContractID(opts.ContractID):
		return nil, errors.New("the contract has no id of letters, digits, dots, hyphens and underscores")
	}
	if _, err := s.Validate(nil); err != nil {
		return nil, err
	}
	if err := checkServiceCertificate(string(opts.ServiceCertificate)); err != nil {
		return nil, err
	}
	if _, err := httpsURL(opts.GovernanceEndpoint); err != nil {
		return nil, fmt.Errorf("governance endpoint: %w", err)
	}
	g := &sidecarGenerator{release: release, spec: s, opts: opts}
	if err := g.load(ctx); err != nil {
		return nil, err
	}
	if err := g.all(); err != nil {
		return nil, err
	}
	if err := g.limits(); err != nil {
		return nil, err
	}
	policy := policyText(append(g.pinned, pausePolicy()))
	template, err := g.template(base64.StdEncoding.EncodeToString(policy)).encode()
	if err != nil {
		return nil, err
	}
	return newDeploymentOf(template, policy), nil
}

// limits compares what all containers ask for with what one group may have.
func (g *sidecarGenerator) limits() error {
	var cpu, memory float64
	for _, c := range g.containers {
		cpu += amount(c, "cpu")
		memory += amount(c, "memoryInGB")
	}
	const slack = 1e-9 // tenths are not exact
	if l := g.opts.Limits; l.CPU > 0 && cpu > l.CPU+slack || l.MemoryInGB > 0 && memory > l.MemoryInGB+slack {
		return fmt.Errorf("the %d containers ask for %.4g cores and %.4g GB, the platform gives %g and %g; lower what the applications request", len(g.containers), cpu, memory, l.CPU, l.MemoryInGB)
	}
	return nil
}

// amount reads a request, which is a number or a number as text.
func amount(container any, name string) float64 {
	c, _ := container.(map[string]any)
	properties, _ := c["properties"].(map[string]any)
	resources, _ := properties["resources"].(map[string]any)
	requests, _ := resources["requests"].(map[string]any)
	f, _ := strconv.ParseFloat(fmt.Sprint(requests[name]), 64)
	return f
}

// template is the group around the containers. Its address is public: the
// control API is reached there, and the applications' ports where the document
// opens HTTP inbound.
func (g *sidecarGenerator) template(policy string) *armTemplate {
	t := newARMTemplate(g.opts, nil, policy)
	label := armParameter{"string", "", map[string]string{"description": "The label of the room's name in the DNS of the region; empty for none."}}
	t.Parameters.DNSNameLabel = &label
	t.Variables = map[string]string{
		"ccrFqdn": "[if(equals(parameters('dnsNameLabel'), ''), '', concat(parameters('dnsNameLabel'), '.', parameters('location'), '.', 'azurecontainer.io'))]",
	}
	ports := []armPort{{"8200", "TCP"}}
	if n := g.spec.Network; n != nil && n.HTTP != nil && n.HTTP.Inbound != nil {
		for i := range g.spec.Applications {
			for _, port := range g.spec.Applications[i].RuntimeSettings.Ports {
				ports = append(ports, armPort{strconv.Itoa(port), "TCP"})
			}
		}
	}
	group := &t.Resources[0]
	group.Tags["accr-version"] = g.release.Version
	p := &group.Properties
	p.Containers, p.InitContainers = g.containers, g.init
	p.IPAddress = &armAddress{
		Scope: "[if(equals(parameters('dnsNameLabel'), ''), '', 'Unsecure')]",
		Label: "[parameters('dnsNameLabel')]", Type: "Public", Ports: ports,
	}
	for _, name := range []string{"remotemounts", "telemetrymounts", "volumestatusmounts"} {
		p.Volumes = append(p.Volumes, map[string]any{"name": name, "emptyDir": struct{}{}})
	}
	return t
}
