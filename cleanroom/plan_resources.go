package cleanroom

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cleanroom-go/sdk/internal/check"
)

// resources compares the whole group with what the platform gives.
func (p *planner) resources() {
	var sum Limits
	for i := range p.spec.Applications {
		r := p.spec.Applications[i].RuntimeSettings.Resource.Requests
		sum.CPU, sum.MemoryInGB = sum.CPU+r.CPU, sum.MemoryInGB+r.MemoryInGB
	}
	of := "the applications request"
	if p.in.Sidecars {
		more := p.sidecars()
		sum.CPU, sum.MemoryInGB = sum.CPU+more.CPU, sum.MemoryInGB+more.MemoryInGB
		of = "the applications and sidecars request"
	}
	l := p.in.Limits
	if l.CPU == 0 && l.MemoryInGB == 0 {
		p.unproven("LimitsUnknown", "applications", fmt.Sprintf("whether the region gives %s cores and %s GB to one group", formatAmount(sum.CPU), formatAmount(sum.MemoryInGB)), "give the limits of the region")
		return
	}
	if l.CPU > 0 && sum.CPU > l.CPU+rounding {
		p.fail("ResourceLimit", "applications", fmt.Sprintf("%s %s cores, the limit is %s", of, formatAmount(sum.CPU), formatAmount(l.CPU)), "request less, or deploy to a region with a higher limit")
	}
	if l.MemoryInGB > 0 && sum.MemoryInGB > l.MemoryInGB+rounding {
		p.fail("ResourceLimit", "applications", fmt.Sprintf("%s %s GB, the limit is %s GB", of, formatAmount(sum.MemoryInGB), formatAmount(l.MemoryInGB)), "request less, or deploy to a region with a higher limit")
	}
}

// rounding is less than the platform's step of 0.01: ten times 0.1 is not one.
const rounding = 0.001

// sidecars is what the containers beside the applications request in release
// 8.0.0 of the reference tools: seven, one or two for each access point, and
// one for each direction of HTTP.
func (p *planner) sidecars() Limits {
	sum := Limits{CPU: 1.4, MemoryInGB: 2.3}
	p.accessPoints(func(_ string, a *AccessPoint) {
		n := 1.0
		if mode, err := a.Mode(); err == nil && mode == "CSE" {
			n = 2
		}
		sum.CPU, sum.MemoryInGB = sum.CPU+0.2*n, sum.MemoryInGB+0.5*n
	})
	if n := p.spec.Network; n != nil && n.HTTP != nil {
		for _, d := range []*HTTPDirection{n.HTTP.Inbound, n.HTTP.Outbound} {
			if d != nil {
				sum.CPU, sum.MemoryInGB = sum.CPU+0.2, sum.MemoryInGB+0.2
			}
		}
	}
	return sum
}

// dataKeys compares the pins of the document with each other and with the keys
// that this party has. Two access points on one data store share a key.
func (p *planner) dataKeys() {
	type pin struct {
		path   string
		digest [32]byte
	}
	pins := map[string]pin{}
	p.accessPoints(func(path string, a *AccessPoint) {
		mode, err := a.Mode()
		digest, err2 := a.DEKDigest()
		if err != nil || err2 != nil || mode == "SSE" {
			return // nothing to pin, or an issue of the document
		}
		if digest == [32]byte{} {
			p.warn("DEKNotPinned", path, "the document does not pin the data key: whoever may write to the vault can put one in that he knows", "add it with DatasinkOptions.DEKDigest")
			return
		}
		place := azurePlace(a)
		if other, ok := pins[place]; ok && other.digest != digest {
			p.fail("DEKDigestConflict", path, "it is on the data store of "+other.path+", but pins another key", "pin the one key of the data store in both")
		}
		pins[place] = pin{path, digest}
		p.ownDEK(path, a, digest)
	})
}

// azurePlace tells data stores apart: two parties may use one name.
func azurePlace(a *AccessPoint) string {
	r := Resource{}
	if s := a.Protection.EncryptionSecrets; s != nil {
		r = s.DEK.Secret.BackingResource
	}
	return secretPlace(r.Provider.URL, r.Name)
}

func (p *planner) ownDEK(path string, a *AccessPoint, digest [32]byte) {
	if p.in.DEKs == nil {
		return
	}
	dek, err := p.in.DEKs.Load(a.Datastore())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return // another party's
	case err != nil:
		p.fail("DEKUnreadable", path, check.Printable(err.Error()), "find the key: without it the data cannot be read")
		return
	}
	defer dek.Close()
	if dek.Digest() != digest {
		p.fail("DEKMismatch", path, fmt.Sprintf("the key of the data store %s is not the one that the document pins; it was made anew, or belongs to a store of another party with this name", shown(a.Datastore())), "find the agreed key, or agree on a new document")
	}
}
