// Package blobhost knows the hosts of Azure Blob Storage. A token for storage
// is good for every account that its identity may use, and with the mode CPK
// the key travels in each request: neither may go to a host that somebody
// merely wrote into a document.
package blobhost

import (
	"regexp"
	"strings"
)

// The public cloud, its accounts with a DNS zone of their own included, and the
// two sovereign ones, without a port: the name of an account is one label.
var hosts = regexp.MustCompile(`^[a-z0-9-]{1,63}\.(blob\.core\.(windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)|z[0-9]{1,2}\.blob\.storage\.azure\.net)$`)

// Patterns are the hosts as a message names them.
const Patterns = "ACCOUNT.blob.core.windows.net, .usgovcloudapi.net or .chinacloudapi.cn, or ACCOUNT.zN.blob.storage.azure.net"

// Known reports whether host, as a URL has it, is an account's blob endpoint.
func Known(host string) bool { return hosts.MatchString(strings.ToLower(host)) }
