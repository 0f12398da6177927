package governance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// SetConstitution replaces the rules by which proposals are decided. When it is
// accepted every other open proposal is dropped.
func SetConstitution(script string) Action {
	return Action{"set_constitution", struct {
		Constitution string `json:"constitution"`
	}{script}}
}

// JSModule is one file of the service's application.
type JSModule struct {
	// Name is its path, for instance "/endpoints/contracts.js".
	Name string `json:"name"`
	// Script is its text.
	Script string `json:"module"`
}

// JSApp is the service's application: the program that answers below /app.
type JSApp struct {
	// Endpoints is a JSON object of paths, each with its verbs, as CCF describes
	// endpoints of JavaScript applications (js_module, js_function,
	// authn_policies and so on).
	Endpoints json.RawMessage
	Modules   []JSModule
}

// SetJSApp replaces the application.
func SetJSApp(app JSApp) Action {
	type metadata struct {
		Endpoints json.RawMessage `json:"endpoints"`
	}
	type bundle struct {
		Metadata metadata   `json:"metadata"`
		Modules  []JSModule `json:"modules"`
	}
	modules := app.Modules
	if modules == nil {
		modules = []JSModule{}
	}
	return Action{"set_js_app", struct {
		Bundle bundle `json:"bundle"`
	}{bundle{metadata{app.Endpoints}, modules}}}
}

// JSRuntimeOptions bounds the scripts of the service. The first three are
// required.
type JSRuntimeOptions struct {
	// MaxHeapBytes and MaxStackBytes bound their memory; upstream's deployment
	// sets 104857600 and 1048576.
	MaxHeapBytes  uint32 `json:"max_heap_bytes"`
	MaxStackBytes uint32 `json:"max_stack_bytes"`
	// MaxExecutionMilliseconds bounds one call; upstream sets 1000.
	MaxExecutionMilliseconds uint32 `json:"max_execution_time_ms"`
	// LogExceptionDetails and ReturnExceptionDetails let operators and callers
	// see what a script threw. Upstream sets both.
	LogExceptionDetails    bool `json:"log_exception_details"`
	ReturnExceptionDetails bool `json:"return_exception_details"`
	// MaxCachedInterpreters; zero leaves it to the service.
	MaxCachedInterpreters uint32 `json:"max_cached_interpreters,omitempty"`
}

// SetJSRuntimeOptions replaces the bounds of the scripts.
func SetJSRuntimeOptions(o JSRuntimeOptions) Action { return Action{"set_js_runtime_options", o} }

// ServiceOption lets an operator's own proposals of one kind pass without the
// members' votes. All are off until accepted.
type ServiceOption string

// The options of release 8.0.0. The first two are for CGS operators, the others
// for contract operators.
const (
	AutoApproveConstitution    ServiceOption = "autoapprove-constitution-proposal"
	AutoApproveJSApp           ServiceOption = "autoapprove-jsapp-proposal"
	AutoApproveDeploymentSpec  ServiceOption = "autoapprove-deploymentspec-proposal"
	AutoApproveDeploymentInfo  ServiceOption = "autoapprove-deploymentinfo-proposal"
	AutoApproveCleanRoomPolicy ServiceOption = "autoapprove-cleanroompolicy-proposal"
)

// SetServiceOption switches an option.
func SetServiceOption(o ServiceOption, enabled bool) Action {
	status := "disabled"
	if enabled {
		status = "enabled"
	}
	return Action{"set_cgs_runtime_options", struct {
		Option ServiceOption `json:"option"`
		Status string        `json:"status"`
	}{o, status}}
}

// ServiceOption reads whether an option is on.
func (c *Client) ServiceOption(ctx context.Context, o ServiceOption) (enabled bool, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "ServiceOption")
	defer end(&err)
	if err := checkID("service option", string(o)); err != nil {
		return false, err
	}
	var doc optionDoc
	if err := c.wire.post(ctx, "read service option "+string(o), "/app/runtimeoptions/"+string(o)+"/status", &doc); err != nil {
		return false, err
	}
	return doc.Status == "enabled", nil
}

// UpgradeClient reads what the service runs, and what it is to run next.
type UpgradeClient struct{ c *Client }

// Upgrade gives the handle.
func (c *Client) Upgrade() *UpgradeClient { return &UpgradeClient{c} }

func (u *UpgradeClient) read(ctx context.Context, op, below, query string) ([]byte, error) {
	a, err := u.c.wire.do(ctx, call{op: op, method: http.MethodGet, path: "/gov/service/" + below, query: apiQuery + query})
	if err != nil {
		return nil, err
	}
	return a.body, nil
}

// Constitution reads the constitution's script; anybody can.
func (u *UpgradeClient) Constitution(ctx context.Context) (_ string, err error) {
	ctx, end := u.c.wire.tracer.Start(ctx, "Upgrade.Constitution")
	defer end(&err)
	b, err := u.read(ctx, "read constitution", "constitution", "")
	return string(b), err
}

// App reads the application with all its modules, one request for each; anybody
// can. Endpoints are spelled as they were proposed.
func (u *UpgradeClient) App(ctx context.Context) (_ *JSApp, err error) {
	ctx, end := u.c.wire.tracer.Start(ctx, "Upgrade.App")
	defer end(&err)
	const op = "read application"
	b, err := u.read(ctx, op, "javascript-app", "&case=original")
	if err != nil {
		return nil, err
	}
	var doc struct {
		Endpoints json.RawMessage `json:"endpoints"`
	}
	if err := (&answer{body: b}).json(op, &doc); err != nil {
		return nil, err
	}
	app := &JSApp{Endpoints: doc.Endpoints}
	names, err := u.modules(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		// Here, unlike in the application, the service decodes percent signs.
		script, err := u.read(ctx, "read module "+cut(name, 80), "javascript-modules/"+url.PathEscape(name), "")
		if err != nil {
			return nil, err
		}
		app.Modules = append(app.Modules, JSModule{name, string(script)})
	}
	return app, nil
}

func (u *UpgradeClient) modules(ctx context.Context) ([]string, error) {
	const op = "list modules"
	b, err := u.read(ctx, op, "javascript-modules", "")
	if err != nil {
		return nil, err
	}
	var doc struct {
		Value []struct {
			Name string `json:"moduleName"`
		} `json:"value"`
	}
	if err := (&answer{body: b}).json(op, &doc); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(doc.Value))
	for _, m := range doc.Value {
		if m.Name == "" {
			return nil, fmt.Errorf("governance: %s: a module has no name", op)
		}
		names = append(names, m.Name)
	}
	return names, nil
}

// Update is an action of an open proposal that changes what the service runs,
// or on which hosts its nodes may run.
type Update struct {
	ProposalID string
	// Action is set_constitution, set_js_app, add_snp_host_data or
	// remove_snp_host_data.
	Action string
}

var updateActions = []string{"set_constitution", "set_js_app", "add_snp_host_data", "remove_snp_host_data"}

// Check lists the updates that are waiting for votes. An open proposal that can
// be read in two ways is a [*DeniedError], which comes beside the list of the
// others.
func (u *UpgradeClient) Check(ctx context.Context) (_ []Update, err error) {
	ctx, end := u.c.wire.tracer.Start(ctx, "Upgrade.Check")
	defer end(&err)
	proposals, err := u.c.Proposals(ctx)
	if err != nil {
		return nil, err
	}
	var updates []Update
	var ambiguous []error
	for _, p := range proposals {
		if p.State != ProposalOpen {
			continue
		}
		actions, err := u.c.Proposal(p.ID).Actions(ctx)
		var denied *DeniedError
		switch {
		case hasCode(err, "ProposalNotFound"):
			continue // decided and forgotten meanwhile
		case errors.As(err, &denied):
			ambiguous = append(ambiguous, err)
			continue
		case err != nil:
			return nil, err
		}
		for _, a := range actions {
			if slices.Contains(updateActions, a.Name) {
				updates = append(updates, Update{p.ID, a.Name})
			}
		}
	}
	return updates, errors.Join(ambiguous...)
}
