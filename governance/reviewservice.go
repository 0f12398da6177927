package governance

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
)

// constitution reviews the replacement of the rules themselves.
func (r *reviewer) constitution(ctx context.Context, args arguments) error {
	r.change.Subject = "the constitution"
	r.warn("service.code", "the constitution would be replaced, and all other open proposals dropped")
	now, err := r.c.Upgrade().Constitution(ctx)
	if err != nil {
		return err
	}
	r.change.TextDiff = unified(now, args.text("constitution"))
	return nil
}

// application reviews the replacement of the program. Its modules are compared
// by digest: what their text does is for another tool.
func (r *reviewer) application(ctx context.Context, args arguments) error {
	r.change.Subject = "the application"
	r.warn("service.code", "the application that answers all calls below /app would be replaced")
	now, err := r.c.Upgrade().App(ctx)
	if err != nil {
		return err
	}
	var endpoints any = nothing{}
	if len(now.Endpoints) > 0 {
		if endpoints, err = decodeJSON(now.Endpoints); err != nil {
			return err
		}
	}
	bundle := arguments(args.object("bundle"))
	r.compareJSON("endpoints", endpoints, memberOf(bundle.object("metadata"), "endpoints"))
	before, after := map[string]string{}, map[string]string{}
	for _, m := range now.Modules {
		before[modulePath(m.Name)] = jsonText(digest(m.Script))
	}
	list, _ := bundle["modules"].([]any)
	for _, e := range list {
		m, _ := e.(map[string]any)
		after[modulePath(arguments(m).text("name"))] = jsonText(digest(arguments(m).text("module")))
	}
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if before[name] != after[name] {
			r.differ("module "+name, before[name], after[name])
		}
	}
	return nil
}

// modulePath is a module's name as the service stores it.
func modulePath(name string) string { return "/" + strings.TrimPrefix(name, "/") }

// openService reviews transition_service_to_open.
func (r *reviewer) openService(ctx context.Context, args arguments) error {
	info, err := r.c.ServiceInfo(ctx)
	if err != nil {
		return err
	}
	r.differ("status", jsonText(info.Status), jsonText("Open"))
	if !bytes.Equal(bytes.TrimSpace([]byte(args.text("next_service_identity"))), bytes.TrimSpace(info.CertificatePEM)) {
		r.warn("service.identity", "the proposal names another service certificate than that of this service")
	}
	return nil
}

// enableAuthority reviews enable_ca.
func (r *reviewer) enableAuthority(ctx context.Context, args arguments) error {
	id := args.text("contractId")
	r.change.Subject = "certificate authority of contract " + id
	var doc struct {
		Enabled bool `json:"enabled"`
	}
	if err := r.c.Contract(id).post(ctx, "read certificate authority of", "/ca/status", &doc); err != nil {
		return err
	}
	r.differ("enabled", jsonText(doc.Enabled), "true")
	return nil
}

// enableIssuer reviews enable_oidc_issuer.
func (r *reviewer) enableIssuer(ctx context.Context, args arguments) error {
	r.change.Subject = "token issuer of the service"
	info, err := r.c.OIDC().Info(ctx)
	if err != nil {
		return err
	}
	r.differ("enabled", jsonText(info.Enabled), "true")
	if !info.Enabled {
		r.differ("kid", "", jsonText(args.text("kid")))
	}
	return nil
}

// issuerURL reviews set_oidc_issuer_url.
func (r *reviewer) issuerURL(ctx context.Context, args arguments) error {
	r.change.Subject = "token issuer of the service"
	const path = "issuerUrl"
	before, err := r.value(path, func() (string, error) {
		info, err := r.c.OIDC().Info(ctx)
		if err != nil {
			return "", err
		}
		return quoted(info.IssuerURL), nil
	})
	if err != nil {
		return err
	}
	after := jsonText(args.text("issuer_url"))
	r.differ(path, before, after)
	r.leave(path, after)
	return nil
}
