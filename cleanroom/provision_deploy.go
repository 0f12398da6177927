package cleanroom

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/internal/trace"
	"github.com/cleanroom-go/sdk/internal/transport"
)

const deploymentsVersion = "2021-04-01"

// ProvisionerOptions are the options of [NewProvisioner].
type ProvisionerOptions struct {
	// ClientOptions are those of Azure Resource Manager's clients. Bodies are
	// never logged.
	arm.ClientOptions
	// Poll is how often a deployment is asked for its state; zero means every
	// five seconds.
	Poll time.Duration
	// Attempts is how often a deployment is sent whose principals the directory
	// does not show everywhere yet; zero means five.
	Attempts int
}

// Provisioner deploys templates into resource groups of one subscription.
type Provisioner struct {
	client       *arm.Client
	subscription string
	poll         time.Duration
	attempts     int
	tracer       trace.Tracer
}

// NewProvisioner makes one. The account behind cred needs the roles Contributor
// and, for access, Role Based Access Control Administrator on the group.
func NewProvisioner(subscriptionID string, cred azcore.TokenCredential, opts *ProvisionerOptions) (*Provisioner, error) {
	if opts == nil {
		opts = &ProvisionerOptions{}
	}
	if !applicationID.MatchString(subscriptionID) || cred == nil {
		return nil, fmt.Errorf("cleanroom: new provisioner: a credential and the id of a subscription are required, not %q", shorten(subscriptionID, 80))
	}
	o := opts.ClientOptions
	o.ClientOptions = transport.Harden(o.ClientOptions, nil)
	client, err := arm.NewClient("github.com/cleanroom-go/sdk/cleanroom", "v0.0.0", cred, &o)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: new provisioner: %w", err)
	}
	p := &Provisioner{client, subscriptionID, opts.Poll, opts.Attempts, trace.New(o.TracingProvider, "cleanroom")}
	if p.poll <= 0 {
		p.poll = 5 * time.Second
	}
	if p.attempts <= 0 {
		p.attempts = 5
	}
	return p, nil
}

// DeployOptions are the options of [Provisioner.Deploy].
type DeployOptions struct {
	// Parameters are values of the template's parameters.
	Parameters map[string]any
	// Progress, if set, is told each change of the deployment's state.
	Progress func(state string)
	// DryRun, if set, gets what would be sent, and nothing is. What Azure would
	// change of what is there already only Azure can say.
	DryRun io.Writer
}

// DeployError is a deployment that failed.
type DeployError struct {
	// Deployment is its name.
	Deployment string
	// Details are what Azure says, the innermost last.
	Details []DeployDetail
	err     error
}

// DeployDetail is one error of Azure.
type DeployDetail struct{ Code, Target, Message string }

// Error has a line for each detail.
func (e *DeployError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cleanroom: deploy %s: Azure refuses it", shown(e.Deployment))
	writeLines(&b, e.Details, func(d DeployDetail) string {
		return strings.TrimSpace(d.Code+" "+d.Target) + ": " + shorten(d.Message, 300) + remedyOf(d.Code)
	})
	return b.String()
}

// Unwrap is the service's own error, if its answer was one.
func (e *DeployError) Unwrap() error { return e.err }

func (e *DeployError) has(code string) bool {
	for _, d := range e.Details {
		if d.Code == code {
			return true
		}
	}
	return false
}

func remedyOf(code string) string {
	switch code {
	case "AuthorizationFailed":
		return "; have an owner of the group assign the missing role, and wait some minutes"
	case "VaultAlreadyExists", "ManagedHSMAlreadyExists", "StorageAccountAlreadyTaken":
		return "; the name is taken in all of Azure: choose another prefix"
	case "ConflictError", "SoftDeletedVaultDoesNotExist":
		return "; a deleted vault of this name may still be recoverable: recover it, or choose another prefix"
	case "ResourceGroupNotFound":
		return "; create the resource group first"
	case "PrincipalNotFound":
		return "; the directory does not show the principal yet: try again in a minute"
	}
	return ""
}

var deploymentName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._()-]{0,63}$`)

// Deploy deploys a template incrementally: what is not in it stays as it is. It
// waits for the end and returns the outputs that are texts. A deployment whose
// principals are not visible yet is sent again.
func (p *Provisioner) Deploy(ctx context.Context, resourceGroup, name string, template json.RawMessage, opts *DeployOptions) (_ map[string]string, err error) {
	ctx, end := p.tracer.Start(ctx, "Deploy")
	defer end(&err)
	if opts == nil {
		opts = &DeployOptions{}
	}
	op := "cleanroom: deploy " + shown(name)
	if !deploymentName.MatchString(name) || resourceGroup == "" || !json.Valid(template) {
		return nil, errors.New(op + ": a resource group, a name of at most 64 letters, digits, hyphens, dots and parentheses, and a template in JSON are required")
	}
	parameters := map[string]any{}
	for k, v := range opts.Parameters {
		parameters[k] = map[string]any{"value": v}
	}
	body, err := json.MarshalIndent(map[string]any{"properties": map[string]any{"mode": "Incremental", "template": template, "parameters": parameters}}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	target := runtime.JoinPaths(p.client.Endpoint(), "subscriptions", p.subscription, "resourcegroups", url.PathEscape(resourceGroup),
		"providers/Microsoft.Resources/deployments", url.PathEscape(name)) + "?api-version=" + deploymentsVersion
	if opts.DryRun != nil {
		if _, err := fmt.Fprintf(opts.DryRun, "PUT %s\n%s\n", target, body); err != nil {
			return nil, fmt.Errorf("%s: dry run: %w", op, err)
		}
		return nil, nil
	}
	for attempt := 1; ; attempt++ {
		outputs, err := p.deploy(ctx, target, body, opts)
		var refused *DeployError
		if !errors.As(err, &refused) {
			if err != nil {
				err = fmt.Errorf("%s: %w", op, err)
			}
			return outputs, err
		}
		refused.Deployment = name
		if attempt == p.attempts || !refused.has("PrincipalNotFound") {
			return nil, refused
		}
		tell(opts, fmt.Sprintf("a principal is not visible yet, attempt %d of %d", attempt+1, p.attempts))
		if err := pause(ctx, p.poll); err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
	}
}

func tell(opts *DeployOptions, state string) {
	if opts.Progress != nil {
		opts.Progress(check.Printable(state))
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// deploymentAnswer is what is read of a deployment.
type deploymentAnswer struct {
	Properties struct {
		ProvisioningState string                         `json:"provisioningState"`
		Outputs           map[string]struct{ Value any } `json:"outputs"`
		Error             *armError                      `json:"error"`
	} `json:"properties"`
}

type armError struct {
	Code, Message, Target string
	Details               []armError
}

// flatten lists the errors, outermost first, as deep as Azure nests them. Some
// providers put their own answer into the message.
func (e *armError) flatten(depth int) (list []DeployDetail) {
	message := e.Message
	var inner struct {
		Error *armError `json:"error"`
	}
	if json.Unmarshal([]byte(message), &inner) == nil && inner.Error != nil && depth < 8 {
		list = append(list, DeployDetail{e.Code, e.Target, "the provider refuses"})
		list = append(list, inner.Error.flatten(depth+1)...)
	} else {
		list = append(list, DeployDetail{e.Code, e.Target, message})
	}
	for i := range e.Details {
		if depth < 8 {
			list = append(list, e.Details[i].flatten(depth+1)...)
		}
	}
	return list
}

// deploy sends it once. The state is read from the deployment itself, which
// also has the outputs.
func (p *Provisioner) deploy(ctx context.Context, target string, body []byte, opts *DeployOptions) (map[string]string, error) {
	answer, err := p.send(ctx, http.MethodPut, target, body)
	state := ""
	for {
		if err != nil {
			return nil, err
		}
		if answer.Properties.ProvisioningState != state {
			state = answer.Properties.ProvisioningState
			tell(opts, state)
		}
		switch state {
		case "Succeeded":
			outputs := map[string]string{}
			for name, o := range answer.Properties.Outputs {
				if text, ok := o.Value.(string); ok {
					outputs[name] = text
				}
			}
			return outputs, nil
		case "Failed", "Canceled":
			if answer.Properties.Error == nil {
				answer.Properties.Error = &armError{Code: state, Message: "no reason is given"}
			}
			return nil, &DeployError{Details: answer.Properties.Error.flatten(0)}
		}
		if err := pause(ctx, p.poll); err != nil {
			return nil, err
		}
		answer, err = p.send(ctx, http.MethodGet, target, nil)
	}
}

func (p *Provisioner) send(ctx context.Context, method, target string, body []byte) (*deploymentAnswer, error) {
	req, err := runtime.NewRequest(ctx, method, target)
	if err == nil && body != nil {
		err = req.SetBody(streaming.NopCloser(bytes.NewReader(body)), "application/json")
	}
	if err != nil {
		return nil, err
	}
	resp, err := p.client.Pipeline().Do(req)
	if err != nil {
		return nil, err
	}
	if !runtime.HasStatusCode(resp, http.StatusOK, http.StatusCreated, http.StatusAccepted) {
		return nil, refusedDeployment(resp)
	}
	answer := &deploymentAnswer{}
	return answer, runtime.UnmarshalAsJSON(resp, answer)
}

func refusedDeployment(resp *http.Response) error {
	e := &DeployError{err: runtime.NewResponseError(resp)}
	var doc struct {
		Error *armError `json:"error"`
	}
	if runtime.UnmarshalAsJSON(resp, &doc) == nil && doc.Error != nil {
		e.Details = doc.Error.flatten(0)
	} else {
		e.Details = []DeployDetail{{Code: http.StatusText(resp.StatusCode), Message: "without a reason"}}
	}
	return e
}
