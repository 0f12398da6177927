package blob_test

import (
	"crypto/md5"
	"encoding/base64"
	"hash/crc64"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/cleanroom-go/sdk/internal/emulator/blob"
)

func read(t *testing.T, b *azblob.Client, opts *azblob.DownloadStreamOptions) (string, error) {
	t.Helper()
	r, err := b.DownloadStream(t.Context(), opts)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	return string(data), err
}

func TestBlocks(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	c := f.container(t)
	b := c.NewBlockBlobClient("dir/a b#?%.txt")
	for i, part := range []string{"zero", "one", "two"} {
		if _, err := b.StageBlock(ctx, blockName(i), bodyOf(part), nil); err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.GetProperties(ctx, nil)
	wantCode(t, "head of uncommitted blocks", err, 404, "BlobNotFound")
	if page, err := c.NewListBlobsFlatPager(nil).NextPage(ctx); err != nil || len(page.Segment.BlobItems) != 0 {
		t.Errorf("uncommitted blocks are listed: %v", err)
	}
	_, err = b.StageBlock(ctx, base64.StdEncoding.EncodeToString([]byte("a longer id")), bodyOf("x"), nil)
	wantCode(t, "an id of another length", err, 400, "InvalidBlobOrBlock")
	_, err = b.StageBlock(ctx, "***", bodyOf("x"), nil)
	wantCode(t, "an id that is not base64", err, 400, "InvalidQueryParameterValue")
	_, err = b.StageBlock(ctx, blockName(9), bodyOf(""), nil)
	wantCode(t, "an empty block", err, 400, "InvalidHeaderValue")
	_, err = b.CommitBlockList(ctx, []string{blockName(0), blockName(7)}, nil)
	wantCode(t, "an unknown id", err, 400, "InvalidBlockList")
	if _, err := b.StageBlock(ctx, blockName(1), bodyOf("ONE"), nil); err != nil { // replaces
		t.Fatal(err)
	}
	first, err := b.CommitBlockList(ctx, []string{blockName(2), blockName(1), blockName(2)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(t, b.BlobClient(), nil); got != "twoONEtwo" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	// What was not committed is gone; what was can be used again.
	_, err = b.CommitBlockList(ctx, []string{blockName(0)}, nil)
	wantCode(t, "a block that was left out", err, 400, "InvalidBlockList")
	second, err := b.CommitBlockList(ctx, []string{blockName(1)}, nil)
	if err != nil || *first.ETag == *second.ETag {
		t.Errorf("the second commit: %v, ETag %v", err, second.ETag)
	}
	list, err := b.GetBlockList(ctx, blockblob.BlockListTypeAll, nil)
	if err != nil || len(list.CommittedBlocks) != 1 || *list.CommittedBlocks[0].Name != blockName(1) || len(list.UncommittedBlocks) != 0 {
		t.Errorf("block list %+v, %v", list.BlockList, err)
	}
}

func TestConditions(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	b := f.container(t).NewBlockBlobClient("a")
	when := func(match, noneMatch string) *blockblob.UploadOptions {
		m := &azblob.ModifiedAccessConditions{}
		if match != "" {
			m.IfMatch = to.Ptr(azcore.ETag(match))
		}
		if noneMatch != "" {
			m.IfNoneMatch = to.Ptr(azcore.ETag(noneMatch))
		}
		return &blockblob.UploadOptions{AccessConditions: &azblob.AccessConditions{ModifiedAccessConditions: m}}
	}
	_, err := b.Upload(ctx, bodyOf("x"), when("*", ""))
	wantCode(t, "If-Match * on nothing", err, 412, "ConditionNotMet")
	first, err := b.Upload(ctx, bodyOf("x"), when("", "*"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Upload(ctx, bodyOf("x"), when("", "*"))
	wantCode(t, "If-None-Match * on a blob", err, 409, "BlobAlreadyExists")
	if _, err = b.Upload(ctx, bodyOf("y"), when(string(*first.ETag), "")); err != nil {
		t.Errorf("If-Match: %v", err)
	}
	_, err = b.Upload(ctx, bodyOf("z"), when(string(*first.ETag), ""))
	wantCode(t, "a stale If-Match", err, 412, "ConditionNotMet")
	_, err = read(t, b.BlobClient(), &azblob.DownloadStreamOptions{AccessConditions: when(string(*first.ETag), "").AccessConditions})
	wantCode(t, "a read with a stale If-Match", err, 412, "ConditionNotMet")
	_, err = b.Delete(ctx, &azblob.DeleteOptions{AccessConditions: when(string(*first.ETag), "").AccessConditions})
	wantCode(t, "a delete with a stale If-Match", err, 412, "ConditionNotMet")
	_, err = b.GetProperties(ctx, &azblob.GetPropertiesOptions{AccessConditions: when("", "*").AccessConditions})
	wantCode(t, "a head with If-None-Match *", err, 304, "ConditionNotMet")
	if got, err := read(t, b.BlobClient(), nil); got != "y" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestRanges(t *testing.T) {
	f := newFixture(t)
	b := f.container(t).NewBlockBlobClient("a")
	for i, part := range []string{"0123", "4567", "89"} {
		if _, err := b.StageBlock(t.Context(), blockName(i), bodyOf(part), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.CommitBlockList(t.Context(), []string{blockName(0), blockName(1), blockName(2)}, nil); err != nil {
		t.Fatal(err)
	}
	const whole = "0123456789"
	for off := range 10 {
		for count := 1; count <= 12-off; count++ {
			got, err := read(t, b.BlobClient(), &azblob.DownloadStreamOptions{Range: azblob.HTTPRange{Offset: int64(off), Count: int64(count)}})
			if want := whole[off:min(10, off+count)]; got != want || err != nil {
				t.Errorf("%d+%d: got %q, %v, want %q", off, count, got, err, want)
			}
		}
	}
	_, err := read(t, b.BlobClient(), &azblob.DownloadStreamOptions{Range: azblob.HTTPRange{Offset: 10}})
	wantCode(t, "beyond the end", err, 416, "InvalidRange")
	url := b.URL()
	for _, header := range []string{"bytes=-3", "bytes=5-2", "bytes=a-b", "items=0-1", "bytes=0-1,3-4", "bytes=+1-2", "bytes=99999999999999999999-"} {
		if status, code, _ := f.do(t, http.MethodGet, url, "", map[string]string{"Range": header}); status != 400 || code != "InvalidHeaderValue" {
			t.Errorf("%s: got %d %s", header, status, code)
		}
	}
	r, err := b.BlobClient().DownloadStream(t.Context(), &azblob.DownloadStreamOptions{Range: azblob.HTTPRange{Offset: 2, Count: 5}, RangeGetContentMD5: to.Ptr(true)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if sum := md5.Sum([]byte("23456")); !slices.Equal(r.ContentMD5, sum[:]) {
		t.Error("the MD5 of the range is another")
	}
}

func TestChecksums(t *testing.T) {
	f := newFixture(t)
	b := f.container(t).NewBlockBlobClient("a")
	stage := func(v azblob.TransferValidationType) error {
		_, err := b.StageBlock(t.Context(), blockName(1), bodyOf("data"), &blockblob.StageBlockOptions{TransactionalValidation: v})
		return err
	}
	sum := md5.Sum([]byte("data"))
	crc := crc64.Checksum([]byte("data"), crc64.MakeTable(0x9A6C9329AC4BC9B5))
	for what, v := range map[string]azblob.TransferValidationType{
		"MD5": azblob.TransferValidationTypeMD5(sum[:]), "CRC64": azblob.TransferValidationTypeCRC64(crc), "the SDK's CRC64": azblob.TransferValidationTypeComputeCRC64(),
	} {
		if err := stage(v); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	sum[3] ^= 1
	wantCode(t, "wrong MD5", stage(azblob.TransferValidationTypeMD5(sum[:])), 400, "Md5Mismatch")
	wantCode(t, "short MD5", stage(azblob.TransferValidationTypeMD5(sum[:5])), 400, "InvalidMd5")
	wantCode(t, "wrong CRC64", stage(azblob.TransferValidationTypeCRC64(crc^1)), 400, "Crc64Mismatch")
}

func TestListing(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	c := f.container(t)
	names := []string{"a", "b/1", "b/2/x", "b/2/y", "b0", "c", "strange \x01 &<>\" name"}
	for _, name := range names {
		if _, err := c.NewBlockBlobClient(name).Upload(ctx, bodyOf(name), nil); err != nil {
			t.Fatal(err)
		}
	}
	for size := int32(1); size <= 8; size++ {
		var got []string
		for pager := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{MaxResults: &size}); pager.More(); {
			page, err := pager.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Segment.BlobItems) > int(size) {
				t.Errorf("a page of %d, asked for %d", len(page.Segment.BlobItems), size)
			}
			for _, item := range page.Segment.BlobItems {
				got = append(got, *item.Name)
				if *item.Properties.ContentLength != int64(len(*item.Name)) {
					t.Errorf("%q: length %d", *item.Name, *item.Properties.ContentLength)
				}
			}
		}
		if !slices.Equal(got, names) {
			t.Errorf("pages of %d: got %q", size, got)
		}
		got = nil
		for pager := c.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{MaxResults: &size, Prefix: to.Ptr("b")}); pager.More(); {
			page, err := pager.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page.Segment.BlobPrefixes {
				got = append(got, *p.Name)
			}
			for _, item := range page.Segment.BlobItems {
				got = append(got, *item.Name)
			}
		}
		if !slices.Equal(got, []string{"b/", "b0"}) {
			t.Errorf("hierarchy in pages of %d: got %q", size, got)
		}
	}
	url := c.URL() + "?restype=container&comp=list"
	for query, code := range map[string]string{"&maxresults=0": "OutOfRangeQueryParameterValue", "&maxresults=x": "OutOfRangeQueryParameterValue", "&marker=*": "InvalidQueryParameterValue"} {
		if status, got, _ := f.do(t, http.MethodGet, url+query, "", nil); status != 400 || got != code {
			t.Errorf("%s: got %d %s", query, status, got)
		}
	}
}

func TestMetadata(t *testing.T) {
	f := newFixture(t)
	c := f.container(t)
	b := c.NewBlockBlobClient("a")
	_, err := b.Upload(t.Context(), bodyOf("x"), &blockblob.UploadOptions{Metadata: map[string]*string{"One": to.Ptr("1")}, HTTPHeaders: &azblob.HTTPHeaders{BlobContentType: to.Ptr("text/plain")}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.GetProperties(t.Context(), nil)
	if err != nil || *p.Metadata["One"] != "1" || *p.ContentType != "text/plain" || *p.ContentLength != 1 {
		t.Errorf("properties %+v, %v", p, err)
	}
	if _, err := b.SetMetadata(t.Context(), map[string]*string{"Two": to.Ptr("2")}, nil); err != nil {
		t.Fatal(err)
	}
	q, err := b.GetProperties(t.Context(), nil)
	if err != nil || q.Metadata["One"] != nil || *q.Metadata["Two"] != "2" || *q.ETag == *p.ETag || *q.ContentType != "text/plain" {
		t.Errorf("after Set Blob Metadata %+v, %v", q, err)
	}
	_, err = b.SetMetadata(t.Context(), map[string]*string{"not-an-identifier": to.Ptr("2")}, nil)
	wantCode(t, "a name with dashes", err, 400, "InvalidMetadata")
	_, err = b.SetMetadata(t.Context(), map[string]*string{"big": to.Ptr(strings.Repeat("x", 9000))}, nil)
	wantCode(t, "too much", err, 400, "MetadataTooLarge")
}

func TestContainers(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	c := f.container(t)
	_, err := c.Create(ctx, nil)
	wantCode(t, "created twice", err, 409, "ContainerAlreadyExists")
	if _, err := c.GetProperties(ctx, nil); err != nil {
		t.Error(err)
	}
	if _, err := c.Delete(ctx, nil); err != nil {
		t.Error(err)
	}
	_, err = c.NewBlockBlobClient("a").Upload(ctx, bodyOf("x"), nil)
	wantCode(t, "a blob in no container", err, 404, "ContainerNotFound")
	_, err = c.GetProperties(ctx, nil)
	wantCode(t, "no container", err, 404, "ContainerNotFound")
	for _, name := range []string{"A", "ab", "a--b", "-ab", "ab-", "a_b", strings.Repeat("a", 64)} {
		_, err := f.client(t, "https://"+blobHost+"/"+name, owner).Create(ctx, nil)
		wantCode(t, name, err, 400, "InvalidResourceName")
	}
}

func TestAuthorization(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	url := f.container(t).URL()
	if _, err := f.client(t, url, owner).NewBlockBlobClient("a").Upload(ctx, bodyOf("x"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, f.client(t, url, reader).NewBlobClient("a"), nil); err != nil {
		t.Errorf("a reader reads: %v", err)
	}
	_, err := f.client(t, url, reader).NewBlockBlobClient("a").Upload(ctx, bodyOf("x"), nil)
	wantCode(t, "a reader writes", err, 403, "AuthorizationPermissionMismatch")
	_, err = f.client(t, url, stranger).NewBlobClient("a").GetProperties(ctx, nil)
	wantCode(t, "a stranger", err, 403, "AuthorizationPermissionMismatch")
	_, err = f.client(t, "https://publishersa.blob.core.windows.net/other", owner).NewBlobClient("a").GetProperties(ctx, nil)
	wantCode(t, "the owner at another account", err, 403, "AuthorizationPermissionMismatch")
	for what, header := range map[string]string{"no token": "", "shared key": "SharedKey a:b", "other audience": "Bearer canary-token|owner|https://vault.azure.net"} {
		status, code, text := f.do(t, http.MethodGet, url+"/a", "", map[string]string{"Authorization": header})
		if status != 401 || code == "" || !strings.Contains(text, "<Code>"+code+"</Code>") {
			t.Errorf("%s: got %d %s %s", what, status, code, text)
		}
	}
	f.Revoke(account, owner)
	_, err = f.client(t, url, owner).NewBlobClient("a").GetProperties(ctx, nil)
	wantCode(t, "after the grant was taken back", err, 403, "AuthorizationPermissionMismatch")
}

func TestOddRequests(t *testing.T) {
	f := newFixture(t)
	url := f.container(t).URL()
	tests := []struct {
		method, url string
		header      map[string]string
		status      int
		code        string
	}{
		{http.MethodPut, url + "/a", nil, 400, "MissingRequiredHeader"},
		{http.MethodPut, url + "/a", map[string]string{"x-ms-blob-type": "PageBlob"}, 400, "InvalidHeaderValue"},
		{http.MethodPut, url + "/a", map[string]string{"x-ms-copy-source": "https://x"}, 409, "CannotVerifyCopySource"},
		{http.MethodPut, url + "/a?comp=lease", nil, 501, "NotEmulated"},
		{http.MethodPost, url + "/a", nil, 501, "NotEmulated"},
		{http.MethodGet, url + "/a", map[string]string{"x-ms-version": "yesterday"}, 400, "InvalidHeaderValue"},
		{http.MethodGet, url + "/none", nil, 404, "BlobNotFound"},
		{http.MethodGet, url + "/" + strings.Repeat("a", 1025), nil, 400, "InvalidUri"},
		{http.MethodPut, url + "/a?comp=blocklist", nil, 400, "InvalidXmlDocument"},
	}
	for _, test := range tests {
		if status, code, _ := f.do(t, test.method, test.url, "", test.header); status != test.status || code != test.code {
			t.Errorf("%s %.80s %v: got %d %s, want %d %s", test.method, test.url, test.header, status, code, test.status, test.code)
		}
	}
}

func TestWebsite(t *testing.T) {
	f := newFixture(t)
	const account = "consumeroidcsa"
	f.Grant(account, owner, blob.Read, blob.Write)
	c := f.client(t, "https://"+account+".blob.core.windows.net/$web", owner)
	if _, err := c.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]*azblob.CPKInfo{".well-known/openid-configuration": nil, "index.html": nil, "hidden": cpk(1)} {
		_, err := c.NewBlockBlobClient(name).Upload(t.Context(), bodyOf("{}"), &blockblob.UploadOptions{CPKInfo: key, HTTPHeaders: &azblob.HTTPHeaders{BlobContentType: to.Ptr("application/json")}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]int{"/.well-known/openid-configuration": 200, "/": 200, "/none": 404, "/hidden": 409} {
		r, err := f.network.Client.Get("https://" + account + ".z6.web.core.windows.net" + path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != want {
			t.Errorf("%s: %d, %v, want %d", path, r.StatusCode, err, want)
		}
		if want == 200 && (string(data) != "{}" || r.Header.Get("Content-Type") != "application/json") {
			t.Errorf("%s: %q as %s", path, data, r.Header.Get("Content-Type"))
		}
	}
	r, err := f.network.Client.Post("https://"+account+".z6.web.core.windows.net/", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a write to the website: %d", r.StatusCode)
	}
}
