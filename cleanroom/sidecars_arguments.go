package cleanroom

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/cleanroom-go/sdk/governance"
)

const azureADManaged Protocol = "AzureAD_ManagedIdentity"

// identities are the arguments of the identity sidecar: who the room may be.
func (g *sidecarGenerator) identities() string {
	var managed, federated bytes.Buffer
	item := func(b *bytes.Buffer, format string, a ...any) {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, format, a...)
	}
	for i := range g.spec.Identities {
		id := &g.spec.Identities[i]
		switch {
		case id.TokenIssuer.Type == AttestationBasedTokenIssuer && id.TokenIssuer.Issuer.Protocol == azureADManaged:
			item(&managed, `{"ClientId": %s}`, jsonText(id.ClientID))
		case id.TokenIssuer.Type == FederatedIdentityBasedTokenIssuer:
			item(&federated, `{"ClientId": %s, "Credential": {"CredentialType": "FederatedCredential", "FederationConfiguration": {"IdTokenEndpoint": "http://localhost:8300", "Subject": %s, "Audience": %s}}}`,
				jsonText(id.ClientID), jsonText(g.opts.ContractID), jsonText(governance.TokenAudience))
		}
	}
	text := fmt.Sprintf(`{"Identities": {"ManagedIdentities": [%s], "ApplicationIdentities": [%s]}}`, managed.Bytes(), federated.Bytes())
	return base64.StdEncoding.EncodeToString([]byte(text))
}

// launcherApplication is an application as the launcher reads it: members in the
// order of the document's model, numbers with a decimal point, no blanks.
func launcherApplication(a *Application) []byte {
	w := &modelWriter{}
	w.object(func() {
		w.text("name", a.Name)
		w.key("image")
		w.object(func() {
			w.key("executable")
			w.document(&a.Image.Executable)
			w.key("protection")
			w.optional(a.Image.Protection)
			w.key("enforcementPolicy")
			w.object(func() { w.key("policy"); w.policy(a.Image.EnforcementPolicy.Policy) })
		})
		w.text("startType", string(a.StartType))
		w.key("command")
		w.list(len(a.Command), func(i int) { w.Write(modelText(a.Command[i])) })
		w.pairs("environmentVariables", a.EnvironmentVariables.pairs(), false)
		w.pairs("datasources", a.Datasources.pairs(), a.Datasources == nil)
		w.pairs("datasinks", a.Datasinks.pairs(), a.Datasinks == nil)
		w.key("runtimeSettings")
		w.object(func() {
			w.key("ports")
			w.list(len(a.RuntimeSettings.Ports), func(i int) { w.WriteString(strconv.Itoa(a.RuntimeSettings.Ports[i])) })
			w.key("resource")
			w.object(func() {
				w.key("requests")
				w.object(func() {
					w.key("cpu")
					w.WriteString(formatAmount(a.RuntimeSettings.Resource.Requests.CPU))
					w.key("memoryInGB")
					w.WriteString(formatAmount(a.RuntimeSettings.Resource.Requests.MemoryInGB))
				})
			})
		})
	})
	return w.Bytes()
}

// modelText is a JSON string in which only quotes, backslashes and control
// characters are escaped.
func modelText(s string) []byte {
	b := bytes.ReplaceAll(jsonText(s), []byte(`\u2028`), []byte("\u2028"))
	return bytes.ReplaceAll(b, []byte(`\u2029`), []byte("\u2029"))
}

type modelWriter struct {
	bytes.Buffer
	more bool // a member stands before
}

func (w *modelWriter) object(members func()) {
	w.WriteByte('{')
	w.more = false
	members()
	w.WriteByte('}')
	w.more = true
}

func (w *modelWriter) key(name string) {
	if w.more {
		w.WriteByte(',')
	}
	w.Write(modelText(name))
	w.WriteByte(':')
	w.more = true
}

func (w *modelWriter) text(name, value string) {
	w.key(name)
	w.Write(modelText(value))
}

func (w *modelWriter) list(n int, item func(int)) {
	w.WriteByte('[')
	for i := range n {
		if i > 0 {
			w.WriteByte(',')
		}
		item(i)
	}
	w.WriteByte(']')
}

func (w *modelWriter) pairs(name string, pairs [][2]string, null bool) {
	w.key(name)
	if null {
		w.WriteString("null")
		return
	}
	w.object(func() {
		for _, p := range pairs {
			w.text(p[0], p[1])
		}
	})
}

func (w *modelWriter) endpoint(e *ServiceEndpoint) {
	w.object(func() {
		w.text("protocol", string(e.Protocol))
		w.text("url", e.URL)
		w.text("configuration", e.Configuration)
	})
}

func (w *modelWriter) resource(r *Resource) {
	w.object(func() {
		w.text("name", r.Name)
		w.text("type", string(r.Type))
		w.text("id", r.ID)
		w.key("provider")
		w.endpoint(&r.Provider)
	})
}

func (w *modelWriter) optional(d *Document) {
	if d == nil {
		w.WriteString("null")
		return
	}
	w.document(d)
}

func (w *modelWriter) document(d *Document) {
	w.object(func() {
		w.text("documentType", d.DocumentType)
		w.text("authenticityReceipt", d.AuthenticityReceipt)
		w.key("identity")
		w.identity(d.Identity)
		w.key("backingResource")
		w.resource(&d.BackingResource)
	})
}

func (w *modelWriter) policy(p *PolicyBody) {
	switch {
	case p == nil:
		w.WriteString("null")
	case p.External != nil:
		w.document(p.External)
	default:
		w.object(func() {
			w.key("policyDocument")
			if p.Inline == nil || p.Inline.PolicyDocument == nil {
				w.WriteString("null")
			} else {
				w.Write(modelText(*p.Inline.PolicyDocument))
			}
		})
	}
}

func (w *modelWriter) identity(id *Identity) {
	if id == nil {
		w.WriteString("null")
		return
	}
	w.object(func() {
		w.text("name", id.Name)
		w.text("clientId", id.ClientID)
		w.text("tenantId", id.TenantID)
		w.key("tokenIssuer")
		w.object(func() {
			t := &id.TokenIssuer
			w.key("issuer")
			w.endpoint(&t.Issuer)
			w.text("issuerType", string(t.Type))
			switch {
			case t.FederatedIdentity != nil:
				w.key("federatedIdentity")
				w.identity(t.FederatedIdentity)
			case t.Secret != nil:
				w.key("secret")
				w.object(func() {
					w.text("secretType", string(t.Secret.SecretType))
					w.key("backingResource")
					w.resource(&t.Secret.BackingResource)
				})
				w.key("secretAccessIdentity")
				w.identity(t.SecretAccessIdentity)
			}
		})
	})
}
