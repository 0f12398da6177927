package cleanroom

import (
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	vaultName       = regexp.MustCompile(`^[0-9A-Za-z-]{1,127}$`)
	containerName   = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)
	platformName    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	variableName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	notAlphanumeric = regexp.MustCompile(`[^A-Za-z0-9]+`)
	pinnedImage     = regexp.MustCompile(`^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$`)
)

// checkName is the rule for names of the document: what fits a container of
// the platform, a path and a variable.
func checkName(name string) error {
	if platformName.MatchString(name) {
		return nil
	}
	return errors.New("a name has 1 to 63 lower case letters, digits and hyphens, and begins and ends with a letter or digit")
}

// checkIdentityName also admits the name that the reference tools gave to one
// identity against their own rule.
func checkIdentityName(name string) error {
	if name == GovernanceIdentity {
		return nil
	}
	return checkName(name)
}

// checkVaultName is the rule of Key Vault for keys and secrets.
func checkVaultName(name string) error {
	if vaultName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%q is not a name of a key or secret: 1 to 127 letters, digits and hyphens", shorten(name, 140))
}

// checkContainer is the rule of blob storage for containers.
func checkContainer(name string) error {
	if len(name) >= 3 && len(name) <= 63 && containerName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%q is not a name of a blob container: 3 to 63 lower case letters, digits and single hyphens between them", shorten(name, 80))
}

func checkPort(port int) error {
	if port < 1 || port > 65535 {
		return fmt.Errorf("the port %d is not between 1 and 65535", port)
	}
	return nil
}

// checkImage wants a reference that names bytes, not a tag that can move.
func checkImage(reference string) error {
	if pinnedImage.MatchString(reference) && strings.Contains(reference, "/") {
		return nil
	}
	return fmt.Errorf("the image %q is not pinned: a tag can be moved after the parties have agreed; write registry/repository@sha256:DIGEST with the 64 hex digits of the manifest's digest", shorten(reference, 120))
}

// KEKName is the name that the reference tools give to the KEK of a document,
// from its path as it was typed: a version 3 UUID in the X.500 name space.
func KEKName(path string) string {
	// RFC 9562, section 5.3; MD5 names here, it protects nothing.
	namespace, _ := hex.DecodeString("6ba7b8149dad11d180b400c04fd430c8")
	sum := md5.Sum(append(namespace, path...))
	return hex.EncodeToString(sum[:4]) + "-kek"
}

// TelemetryDatastore is the name that the reference tools give to the data store,
// and to the container, of a telemetry sink: the sink's name, eight digits of the
// document's path as it was typed, and the letters and digits of the file's name,
// cut to the 63 characters of a container's name. Capitals stay, though no
// container can have them: a document in a file with capitals needs another name.
func TelemetryDatastore(sink, path string) string {
	digits, _, _ := strings.Cut(KEKName(path), "-")
	name := sink + "-" + digits + "-" + notAlphanumeric.ReplaceAllString(path[strings.LastIndexByte(path, '/')+1:], "")
	return name[:min(len(name), 63)]
}

// UniqueString is what the reference scripts add to the names of resources, from
// the name of their resource group: 13 lower case letters of a SHA-512. It tells
// names apart and keeps nothing secret; the scripts made a password of it once.
func UniqueString(s string) string {
	sum := sha512.Sum512([]byte(s))
	var b strings.Builder
	for _, c := range sum[1:14] {
		b.WriteByte('a' + c%26)
	}
	return b.String()
}
