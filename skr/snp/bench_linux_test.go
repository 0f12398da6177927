package snp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/verify/testdata"
)

// BenchmarkVerify verifies a report of real hardware under AMD's roots, and in
// turn makes the bare primitives that this cannot do without: one ECDSA
// verification on P-384 and the RSA-4096 PSS verifications of VCEK and ASK.
func BenchmarkVerify(b *testing.B) {
	report := testdata.AttestationBytes[:ReportSize]
	vcekPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: testdata.VcekBytes})
	v := NewVerifier(&VerifierOptions{Now: func() time.Time { return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) }})

	vcek, err := x509.ParseCertificate(testdata.VcekBytes)
	if err != nil {
		b.Fatal(err)
	}
	der, err := abi.ReportToSignatureDER(report)
	if err != nil {
		b.Fatal(err)
	}
	root := amdRoots()[Milan]
	signed := sha512.Sum384(abi.SignedComponent(report))
	bare := func() {
		if !ecdsa.VerifyASN1(vcek.PublicKey.(*ecdsa.PublicKey), signed[:], der) {
			b.Fatal("ECDSA")
		}
		for cert, issuer := range map[*x509.Certificate]*x509.Certificate{vcek: root.ask, root.ask: root.ark} {
			digest := sha512.Sum384(cert.RawTBSCertificate)
			if err := rsa.VerifyPSS(issuer.PublicKey.(*rsa.PublicKey), crypto.SHA384, digest[:], cert.Signature, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	// The thread's own time, since other work may run beside this.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var whole, primitives time.Duration
	n := 0
	for b.Loop() {
		n++
		start := threadTime(b)
		if _, err := v.VerifyReport(report, vcekPEM); err != nil {
			b.Fatal(err)
		}
		middle := threadTime(b)
		bare()
		whole += middle - start
		primitives += threadTime(b) - middle
	}
	b.ReportMetric(float64(n)/whole.Seconds(), "verifications/cpu-s")
	b.ReportMetric(whole.Seconds()/primitives.Seconds(), "times-bare")
	b.ReportMetric(0, "ns/op") // of both together, which nobody asked for
}

// threadTime is the processor time of this thread.
func threadTime(b *testing.B) time.Duration {
	const rusageThread = 1
	var u syscall.Rusage
	if err := syscall.Getrusage(rusageThread, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
