package cleanroom

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cleanroom-go/sdk/governance"
)

// GenerateOptions are the inputs of a deployment beside the document. All
// parties must use the same.
type GenerateOptions struct {
	// ContractID is the contract that the room runs under.
	ContractID string
	// GovernanceEndpoint is the https URL of the governance service, and
	// ServiceCertificate the PEM certificate under which alone it answers.
	GovernanceEndpoint string
	ServiceCertificate []byte
	// Images has what is pinned of each image, by the reference with its
	// digest as the document has it.
	Images map[string]ImagePolicy
	// Location is the region; zero means that of the resource group.
	Location string
	// Limits bound the resources, as in [ValidateOptions].
	Limits Limits
}

// Deployment is what the parties vote on.
type Deployment struct {
	// Template is an ARM template of one confidential container group.
	Template json.RawMessage
	// Policy is the text in the platform's policy language that Template
	// carries in base64.
	Policy []byte
	// HostData is the SHA-256 of Policy in lower case hex: what a genuine
	// room reports, and what a key is released for.
	HostData string
	// GovernancePolicy has the governance service accept rooms with these
	// host data.
	GovernancePolicy governance.PolicyUpdate
}

// Generate makes the deployment of a merged document: equal inputs give equal
// bytes. It is the direct form, with one container per application and none
// beside it. The program in it attests, speaks to governance and vaults and
// writes to its sinks itself; what it needs for that is in its environment:
// its own variables, [GovernanceVariable], and a variable of [SinkVariable]
// for each of its datasinks and, if the log is collected, for the sink
// application-telemetry. Those are blob containers in mode Sealed, CPK or SSE:
// CSE, and every other kind of store, is what the sidecars mount.
//
// # The network is not filtered
//
// No proxy stands in front of the applications of this form: they can connect
// to any address. A document with network.http is refused, since nothing would
// enforce it. network.tcp ([Specification.AllowTCP]) and network.dns are what
// the parties agreed on, and only the program keeps to them: review its image.
func Generate(s *Specification, opts GenerateOptions) (*Deployment, error) {
	d, err := generate(s, &opts)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: generate deployment of contract %q: %w", shorten(opts.ContractID, 80), err)
	}
	return d, nil
}

func generate(s *Specification, opts *GenerateOptions) (*Deployment, error) {
	if s == nil {
		return nil, errors.New("there is no specification; merge the documents of the parties")
	}
	if s.Generation != G2 {
		return nil, fmt.Errorf("the document is of generation %s; upgrade it", s.Generation)
	}
	if _, err := s.Validate(&ValidateOptions{Limits: opts.Limits}); err != nil {
		return nil, err
	}
	if len(s.Applications) == 0 {
		return nil, errors.New("the document has no application; merge it with that of the party that brings one")
	}
	if n := s.Network; n != nil && n.HTTP != nil && (n.HTTP.Inbound != nil || n.HTTP.Outbound != nil) {
		return nil, errors.New("network.http needs the proxy of the sidecars, which this form does not have; remove the section")
	}
	var containers []armContainer
	var pinned []policyContainer
	for i := range s.Applications {
		a := &s.Applications[i]
		env, command, image, err := containerOf(s, a, opts)
		if err != nil {
			return nil, fmt.Errorf("application %q: %w", a.Name, err)
		}
		containers = append(containers, newARMContainer(a, env, command))
		policy, err := applicationPolicy(a, env, command, image)
		if err != nil {
			return nil, fmt.Errorf("application %q: %w", a.Name, err)
		}
		pinned = append(pinned, policy)
	}
	policy := policyText(append(pinned, pausePolicy()))
	template, err := newARMTemplate(opts, containers, base64.StdEncoding.EncodeToString(policy)).encode()
	if err != nil {
		return nil, err
	}
	return newDeploymentOf(template, policy), nil
}

func newDeploymentOf(template json.RawMessage, policy []byte) *Deployment {
	host := hostData(policy)
	return &Deployment{Template: template, Policy: policy, HostData: host, GovernancePolicy: governance.HostDataPolicy(host)}
}

// containerOf gives what one application runs with, and refuses what this
// form cannot do.
func containerOf(s *Specification, a *Application, opts *GenerateOptions) (env Environment, command []string, image ImagePolicy, err error) {
	image, ok := opts.Images[a.Image.Reference()]
	switch {
	case !ok:
		err = fmt.Errorf("the options have no layers of the image %s", a.Image.Reference())
	case a.StartType != StartAuto:
		err = fmt.Errorf("the start type %s needs the control API of the sidecars; make it %s", a.StartType, StartAuto)
	case len(a.Datasources) > 0:
		err = errors.New("datasources need the mounts of the sidecars, which this form does not have")
	case a.Image.Executable.Identity != nil:
		err = errors.New("a private registry needs the identity sidecar, which this form does not have; use a public one")
	default:
		if err = image.check(); err != nil {
			err = fmt.Errorf("policy of the image %s: %w", a.Image.Reference(), err)
		}
	}
	if err != nil {
		return nil, nil, image, err
	}
	command = a.Command
	if len(command) == 0 {
		command = image.Command
	}
	if len(command) == 0 {
		return nil, nil, image, errors.New("neither the application nor the policy of its image has a command")
	}
	for _, word := range command {
		if !plainText(word) {
			return nil, nil, image, fmt.Errorf("the word %q of the command is not plain text", shorten(word, 80))
		}
	}
	env, err = roomEnvironment(s, a, opts)
	return env, command, image, err
}

// roomEnvironment is the application's own variables in their order, followed
// by what the room program needs.
func roomEnvironment(s *Specification, a *Application, opts *GenerateOptions) (Environment, error) {
	wanted := make([]string, 0, len(a.Datasinks)+1)
	for _, m := range a.Datasinks {
		wanted = append(wanted, m.Name)
	}
	if s.logging() && !contains(wanted, ApplicationTelemetry) {
		wanted = append(wanted, ApplicationTelemetry)
	}
	var sinks []SinkEnvironment
	for _, name := range wanted {
		sink, err := s.Sink(name)
		if err != nil {
			return nil, err
		}
		value, err := sink.SinkEnvironment()
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, value)
	}
	room, err := EncodeEnvironment(GovernanceEnvironment{
		Application:        a.Name,
		ContractID:         opts.ContractID,
		Endpoints:          []string{opts.GovernanceEndpoint},
		ServiceCertificate: string(opts.ServiceCertificate),
	}, sinks)
	if err != nil {
		return nil, err
	}
	return append(append(Environment{}, a.EnvironmentVariables...), room...), nil
}
