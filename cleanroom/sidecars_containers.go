package cleanroom

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// sidecarGenerator collects containers in the order of the release, each with
// what the policy pins of it.
type sidecarGenerator struct {
	release *SidecarRelease
	spec    *Specification
	opts    *GenerateOptions
	images  map[string]*sidecarImage

	containers, init []any
	pinned           []any
}

// Paths and ports of the room.
const (
	mountFolder     = "/mnt/remote"
	telemetryFolder = "/mnt/telemetry"
	statusFolder    = "/mnt/volumestatus"
)

type values = map[string]string

func (g *sidecarGenerator) all() error {
	for i := range g.spec.Applications {
		if err := g.launcher(&g.spec.Applications[i]); err != nil {
			return fmt.Errorf("application %q: %w", g.spec.Applications[i].Name, err)
		}
	}
	if err := g.add("identity", values{"IdentitySidecarArgsBase64": g.identities(), "OtelMetricExportInterval": "5000"}); err != nil {
		return err
	}
	if err := g.proxies(); err != nil {
		return err
	}
	for _, list := range [][]AccessPoint{g.spec.Datasources, g.spec.Datasinks} {
		for i := range list {
			if err := g.mount(&list[i]); err != nil {
				return fmt.Errorf("access point %q: %w", list[i].Name, err)
			}
		}
	}
	for _, c := range []struct {
		image  string
		values values
	}{
		{"otel-collector", values{
			"telemetryCollectionEnabled": "true", "telemetryPath": telemetryFolder, "prometheusEndpoint": "", "lokiEndpoint": "",
			"tempoEndpoint": "", "sparkMetricsEndpoint": "", "resourceAttributes": "",
		}},
		{"ccr-governance", values{
			"cgsEndpoint": g.opts.GovernanceEndpoint, "serviceCertBase64": base64.StdEncoding.EncodeToString(g.opts.ServiceCertificate),
		}},
		{"skr", nil},
		{"ccr-secrets", values{"identityPort": "8290", "skrPort": "8284"}},
	} {
		if err := g.add(c.image, c.values); err != nil {
			return err
		}
	}
	return g.firewall()
}

// add makes a container of an image: words are appended to its command.
func (g *sidecarGenerator) add(image string, v values, words ...string) error {
	container, pinned, err := g.container(image, v, words)
	if err != nil {
		return err
	}
	g.containers, g.pinned = append(g.containers, container), append(g.pinned, pinned)
	return nil
}

func (g *sidecarGenerator) container(image string, v values, words []string) (container map[string]any, pinned map[string]any, err error) {
	i := g.images[image]
	all := values{
		"containerRegistryUrl": g.release.Registry, "digest": i.Digest, "contractId": g.opts.ContractID,
		"telemetryMountPath": telemetryFolder, "volumeStatusMountPath": statusFolder, "mountPath": mountFolder,
	}
	maps.Copy(all, v)
	fail := func(err error) (map[string]any, map[string]any, error) {
		return nil, nil, fmt.Errorf("policy document of %s: %w", image, err)
	}
	template, err := fill(i.template, all, armLiteral)
	if err != nil {
		return fail(err)
	}
	rules, err := fill(i.policy, all, func(s string) string { return s })
	if err != nil {
		return fail(err)
	}
	container, pinned = template.(map[string]any), rules.(map[string]any)
	properties, ok := container["properties"].(map[string]any)
	if !ok {
		return fail(errors.New("templateJson has no properties"))
	}
	if len(words) > 0 {
		command, ok1 := properties["command"].([]any)
		rule, ok2 := pinned["command"].([]any)
		if !ok1 || !ok2 {
			return fail(errors.New("it has no command to which arguments could be added"))
		}
		for _, w := range words {
			command, rule = append(command, armLiteral(w)), append(rule, w)
		}
		properties["command"], pinned["command"] = command, rule
	}
	return container, pinned, nil
}

// launcher runs an application. What the application is stands in its
// arguments, and so in the host data.
func (g *sidecarGenerator) launcher(a *Application) error {
	r := a.RuntimeSettings.Resource.Requests
	container, pinned, err := g.container("code-launcher", values{
		"applicationName": a.Name, "cpu": formatAmount(r.CPU), "memoryInGB": formatAmount(r.MemoryInGB),
	}, []string{"--application-base-64", base64.StdEncoding.EncodeToString(launcherApplication(a))})
	if err != nil {
		return err
	}
	properties := container["properties"].(map[string]any)
	ports, _ := properties["ports"].([]any)
	for _, port := range a.RuntimeSettings.Ports {
		ports = append(ports, map[string]any{"port": strconv.Itoa(port), "protocol": "TCP"})
	}
	properties["ports"] = ports
	g.containers, g.pinned = append(g.containers, container), append(g.pinned, pinned)
	return nil
}

// proxies filter the network. Those of HTTP are there if the document opens
// its direction; without a bundle of rules they let everything through, which
// validation warns of.
func (g *sidecarGenerator) proxies() error {
	var inbound, outbound, tcp bool
	if n := g.spec.Network; n != nil {
		tcp = n.TCP != nil && n.TCP.Outbound != nil
		for _, d := range []struct {
			name, port string
			open       *bool
			direction  func(*HTTPSettings) *HTTPDirection
		}{
			{"inbound", "8282", &inbound, func(h *HTTPSettings) *HTTPDirection { return h.Inbound }},
			{"outbound", "8283", &outbound, func(h *HTTPSettings) *HTTPDirection { return h.Outbound }},
		} {
			if n.HTTP == nil || d.direction(n.HTTP) == nil {
				continue
			}
			*d.open = true
			bundle, err := bundleReference(d.direction(n.HTTP))
			if err != nil {
				return fmt.Errorf("network.http.%s: %w", d.name, err)
			}
			if err := g.add("ccr-proxy-ext-processor", values{"name": d.name, "port": d.port, "policyBundleUrl": bundle, "allowAll": strconv.FormatBool(bundle == "")}); err != nil {
				return err
			}
		}
	}
	if err := g.add("ccr-proxy", values{
		"allowHttpInboundAccess": strconv.FormatBool(inbound), "allowHttpOutboundAccess": strconv.FormatBool(outbound), "allowTcpOutboundAccess": strconv.FormatBool(tcp),
	}); err != nil {
		return err
	}
	return g.add("ccr-proxy-ext-processor", values{
		"name": "gov", "port": "8281", "allowAll": "false",
		"policyBundleUrl": g.release.Registry + "/" + governanceBundle + "@" + g.images[governanceBundle].Digest,
	})
}

// bundleReference is that of a direction's rules; "" if it has none.
func bundleReference(d *HTTPDirection) (string, error) {
	p := d.Policy.PrivacyPolicy
	switch {
	case p == nil || p.Policy == nil:
		return "", nil
	case p.Policy.External == nil:
		return "", errors.New("the proxy reads its rules from a registry, not from the document; publish them as a bundle")
	}
	return p.Policy.External.BackingResource.Provider.URL, nil
}

// firewall runs before everything else.
func (g *sidecarGenerator) firewall() error {
	var words []string
	if n := g.spec.Network; n != nil {
		if n.DNS != nil {
			words = append(words, "--enable-dns", "--dns-port", strconv.Itoa(n.DNS.Port))
		}
		if n.TCP != nil && n.TCP.Outbound != nil {
			var list []string
			for _, a := range n.TCP.Outbound.AllowedIPs {
				if _, err := netip.ParseAddr(a.Address); err != nil {
					return fmt.Errorf("network.tcp: %w", err)
				}
				list = append(list, fmt.Sprintf(`{"address": "%s", "port": %d}`, a.Address, a.Port))
			}
			words = append(words, "--allowed-ips", "["+strings.Join(list, ", ")+"]")
		}
	}
	container, pinned, err := g.container("ccr-init", nil, words)
	if err != nil {
		return err
	}
	g.init, g.pinned = append(g.init, container), append(g.pinned, pinned)
	return nil
}

// mount makes an access point appear as a folder. In mode CSE one container
// mounts what is encrypted and another decrypts it.
func (g *sidecarGenerator) mount(a *AccessPoint) error {
	mode, err := a.Mode()
	if err != nil {
		return err
	}
	if a.Identity == nil {
		return errors.New("it has no identity, and no mount of these sidecars goes without; kinds of stores that need none cannot be used")
	}
	v := values{
		"datasetName": a.Name, "clientId": a.Identity.ClientID, "tenantId": a.Identity.TenantID,
		"readOnly": flagWord(a.Type == VolumeReadOnly, "read-only"), "cgsDekSecretId": "", "traceContextJsonBase64": "",
	}
	folder, err := storeValues(a, v)
	if err != nil {
		return err
	}
	var words []string
	if folder != "" {
		words = []string{"--sub-directory", folder}
	}
	plain := maps.Clone(v)
	for _, name := range []string{"maaUrl", "kekVaultUrl", "kekKid", "dekSecretName", "dekVaultUrl"} {
		plain[name] = ""
	}
	plain["encryptionMode"] = "SSE"
	switch mode {
	case "SSE":
		return g.add("blobfuse-launcher", plain, words...)
	case "CPK", "CSE":
	default:
		return fmt.Errorf("no mount of these sidecars knows the mode %s; use CPK, CSE or SSE", shorten(mode, 40))
	}
	ref, err := a.DEK()
	if err != nil {
		return err
	}
	v["encryptionMode"], v["kekKid"], v["dekSecretName"], v["dekVaultUrl"] = mode, ref.KEK.Name, ref.Name, ref.VaultURL
	if v["maaUrl"], err = hostOf(ref.KEK.AttestationURL); err != nil {
		return err
	}
	if v["kekVaultUrl"], err = hostOf(ref.KEK.VaultURL); err != nil {
		return err
	}
	if mode == "CSE" {
		plain["datasetName"] += "-plain"
		if err := g.add("blobfuse-launcher", plain, words...); err != nil {
			return err
		}
	}
	return g.add("blobfuse-launcher", v, words...)
}

// storeValues are the account and the container, and the folder in it.
func storeValues(a *AccessPoint, v values) (folder string, err error) {
	u, err := httpsURL(a.Store.Provider.URL)
	if err != nil {
		return "", err
	}
	account, _, _ := strings.Cut(u.Host, ".")
	v["storageAccountName"], v["storageContainerName"], v["storageBlobEndpoint"] = account, a.Store.Name, a.Store.Provider.URL
	v["useAdls"] = flagWord(a.Store.Type == OneLakeResource || a.Store.Type == DataLakeResource, "use-adls")
	folder = a.Subdirectory
	if a.Store.Type == OneLakeResource {
		container, rest, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
		v["storageContainerName"], v["storageBlobEndpoint"] = container, u.Host
		if folder == "" {
			folder = rest
		}
	}
	return folder, nil
}

func flagWord(on bool, name string) string {
	if on {
		return "--" + name
	}
	return "--no-" + name
}

func hostOf(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%q is not an https URL", shorten(text, 120))
	}
	return u.Host, nil
}
