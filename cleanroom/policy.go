package cleanroom

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// AllowAllHostData is the host data of the policy that the reference tools
// offer for development: it lets whoever deploys a room run anything in it.
// [VerifyProposals] refuses it by name.
const AllowAllHostData = "73973b78d70cc68353426de188db5dfc57e5b766e399935fb73a61127ea26d20"

// ImagePolicy is what the policy pins of an image. It comes from the image's
// own configuration and layers, which every party can compute from the
// digest.
type ImagePolicy struct {
	// Layers are the dm-verity root hashes of the layers, bottom first, as
	// 64 lower case hex digits.
	Layers []string
	// Environment are the variables of the image's configuration, as K=V. A
	// variable of the application with the same name replaces one. Names that
	// begin with CLEANROOM_ are the room's and refused.
	Environment []string
	// Command is the image's entry point and arguments. It is used if the
	// application has no command, and needed then.
	Command []string
	// WorkingDir is the image's; zero means /.
	WorkingDir string
}

// The interface of the platform's policy engine that the text is written for,
// and the first layer of the container that holds the name spaces of a group.
const (
	policyAPIVersion       = "0.10.0"
	policyFrameworkVersion = "0.2.3"
	pauseLayer             = "16b514057a06ad665f92c02863aca074fd5976c755d26bff16365299169e8415"
	infrastructureFeed     = "mcr.microsoft.com/aci/aci-cc-infra-fragment"
	infrastructureIssuer   = "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3.6.1.4.1.311.76.59.1.3"
)

// enforcementPoints are the questions that the platform asks of a policy; the
// answers come from its framework and the list of containers.
var enforcementPoints = []string{
	"mount_device", "unmount_device", "mount_overlay", "unmount_overlay",
	"create_container", "exec_in_container", "exec_external", "shutdown_container", "signal_container_process",
	"plan9_mount", "plan9_unmount", "get_properties", "dump_stacks", "runtime_logging",
	"load_fragment", "scratch_mount", "scratch_unmount",
}

// policyContainer is one entry of the list; its fields are in the order of
// their names, which are those of the framework.
type policyContainer struct {
	AllowElevated    bool               `json:"allow_elevated"`
	AllowStdio       bool               `json:"allow_stdio_access"`
	Capabilities     policyCapabilities `json:"capabilities"`
	Command          []string           `json:"command"`
	EnvRules         []envRule          `json:"env_rules"`
	ExecProcesses    []struct{}         `json:"exec_processes"`
	ID               string             `json:"id,omitempty"`
	Layers           []string           `json:"layers"`
	Mounts           []policyMount      `json:"mounts"`
	Name             string             `json:"name,omitempty"`
	NoNewPrivileges  bool               `json:"no_new_privileges"`
	SeccompProfile   string             `json:"seccomp_profile_sha256"`
	Signals          []int              `json:"signals"`
	User             policyUser         `json:"user"`
	WorkingDirectory string             `json:"working_dir"`
}

type policyCapabilities struct {
	Ambient     []string `json:"ambient"`
	Bounding    []string `json:"bounding"`
	Effective   []string `json:"effective"`
	Inheritable []string `json:"inheritable"`
	Permitted   []string `json:"permitted"`
}

type envRule struct {
	Pattern  string `json:"pattern"`
	Required bool   `json:"required"`
	Strategy string `json:"strategy"`
}

type policyMount struct {
	Destination string   `json:"destination"`
	Options     []string `json:"options"`
	Source      string   `json:"source"`
	Type        string   `json:"type"`
}

type policyUser struct {
	Groups []idRule `json:"group_idnames"`
	Umask  string   `json:"umask"`
	User   idRule   `json:"user_idname"`
}

type idRule struct {
	Pattern  string `json:"pattern"`
	Strategy string `json:"strategy"`
}

var anyUser = policyUser{Groups: []idRule{{Strategy: "any"}}, Umask: "0022", User: idRule{Strategy: "any"}}

// applicationPolicy pins one application: its layers, its command, each of
// its variables; no other process, no privilege, no capability, and no output
// that the host could read.
func applicationPolicy(a *Application, env Environment, command []string, image ImagePolicy) (policyContainer, error) {
	rules, err := environmentRules(env, image)
	if err != nil {
		return policyContainer{}, err
	}
	none := []string{}
	c := policyContainer{
		Capabilities:  policyCapabilities{none, none, none, none, none},
		Command:       command,
		EnvRules:      rules,
		ExecProcesses: []struct{}{},
		ID:            a.Image.Reference(),
		Layers:        image.Layers,
		Mounts: []policyMount{{
			Destination: "/etc/resolv.conf",
			Options:     []string{"rbind", "rshared", "rw"},
			Source:      "sandbox:///tmp/atlas/resolvconf/.+", // inside the platform's utility VM
			Type:        "bind",
		}},
		Name:             a.Name,
		NoNewPrivileges:  true,
		Signals:          []int{},
		User:             anyUser,
		WorkingDirectory: image.WorkingDir,
	}
	if c.WorkingDirectory == "" {
		c.WorkingDirectory = "/"
	}
	return c, nil
}

// pausePolicy is the container that the platform puts into every group. It
// only waits; the platform starts it with the usual capabilities.
func pausePolicy() policyContainer {
	usual := []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
		"CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
	}
	return policyContainer{
		AllowStdio:    true,
		Capabilities:  policyCapabilities{[]string{}, usual, usual, []string{}, usual},
		Command:       []string{"/pause"},
		ExecProcesses: []struct{}{},
		EnvRules: []envRule{
			{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", true, "string"},
			{"TERM=xterm", false, "string"},
		},
		Layers:           []string{pauseLayer},
		Mounts:           []policyMount{},
		Signals:          []int{},
		User:             anyUser,
		WorkingDirectory: "/",
	}
}

// policyText writes the policy. Every byte counts: its SHA-256 is the host
// data of the room.
func policyText(containers any) []byte {
	var b bytes.Buffer
	b.WriteString("# Clean room policy: exactly the containers below, each with exactly these\n")
	b.WriteString("# layers, command and variables. The SHA-256 of this text is the host data.\n")
	b.WriteString("package policy\n\nimport future.keywords.every\nimport future.keywords.in\n\n")
	fmt.Fprintf(&b, "api_version := %q\nframework_version := %q\n\n", policyAPIVersion, policyFrameworkVersion)
	fmt.Fprintf(&b, "fragments := %s\n\n", indented([]map[string]any{{
		"feed": infrastructureFeed, "includes": []string{"containers", "fragments"},
		"issuer": infrastructureIssuer, "minimum_svn": "1",
	}}))
	fmt.Fprintf(&b, "containers := %s\n\n", indented(containers))
	for _, flag := range []struct {
		name  string
		allow bool
	}{
		{"allow_properties_access", true},
		{"allow_dump_stacks", false},
		{"allow_runtime_logging", false},
		{"allow_environment_variable_dropping", true},
		{"allow_unencrypted_scratch", false},
		{"allow_capability_dropping", true},
	} {
		fmt.Fprintf(&b, "%s := %t\n", flag.name, flag.allow)
	}
	b.WriteByte('\n')
	for _, point := range enforcementPoints {
		fmt.Fprintf(&b, "%s := data.framework.%s\n", point, point)
	}
	b.WriteString("\nreason := {\"errors\": data.framework.errors}\n")
	return b.Bytes()
}

// indented is JSON as Rego reads it, with no escape that JSON does not need.
func indented(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic("cleanroom: internal error: " + err.Error()) // plain structs always encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// hostData is what a room that runs under the policy reports.
func hostData(policy []byte) string {
	sum := sha256.Sum256(policy)
	return hex.EncodeToString(sum[:])
}

var layerHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (p *ImagePolicy) check() error {
	if len(p.Layers) == 0 {
		return errors.New("it has no layers; give the dm-verity root hash of each, bottom first")
	}
	for _, l := range p.Layers {
		if !layerHash.MatchString(l) {
			return fmt.Errorf("the layer %q is not a root hash of 64 lower case hex digits", shorten(l, 80))
		}
	}
	seen := map[string]bool{}
	for _, v := range p.Environment {
		name, _, ok := strings.Cut(v, "=")
		switch {
		case !ok || name == "" || !plainText(v):
			return fmt.Errorf("the variable %q of the image is not of the form NAME=VALUE", shorten(v, 80))
		case strings.HasPrefix(name, reservedPrefix):
			return fmt.Errorf("the image sets %s, and names that begin with %s are the room's", shorten(name, 80), reservedPrefix)
		case seen[name]:
			return fmt.Errorf("the image sets %s twice", shorten(name, 80))
		}
		seen[name] = true
	}
	if !plainText(p.WorkingDir) {
		return fmt.Errorf("the working directory %q is not plain text", shorten(p.WorkingDir, 80))
	}
	return nil
}
