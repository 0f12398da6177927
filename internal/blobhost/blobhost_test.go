package blobhost

import "testing"

func TestKnown(t *testing.T) {
	for _, host := range []string{"a.blob.core.windows.net", "acc0unt.blob.core.usgovcloudapi.net", "a.blob.core.chinacloudapi.cn", "a.z12.blob.storage.azure.net", "a-secondary.blob.core.windows.net", "A.Blob.core.windows.net"} {
		if !Known(host) {
			t.Errorf("%s is not known", host)
		}
	}
	for _, host := range []string{
		"", "evil.example", "blob.core.windows.net", ".blob.core.windows.net", "a.b.blob.core.windows.net", "a.blob.core.windows.net.evil.example",
		"a.blob.core.windows.net:443", "a.blob.core.windows.net:8443", "a.blob.core.windows.net.", "ablob.core.windows.net", "evil.example#.blob.core.windows.net",
		"a.blob.core.windowsXnet", "a.file.core.windows.net", "a.blob.core.windows.net\n", "evil.example/.blob.core.windows.net",
		"a.blob.core.cloudapi.de", "a.blob.storage.azure.net", "a.zx.blob.storage.azure.net", "a.z123.blob.storage.azure.net", "127.0.0.1", "[::1]", "a.blob.core.windows.net@evil.example",
	} {
		if Known(host) {
			t.Errorf("%q is known", host)
		}
	}
}
