package tools

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

func tarFiles(c *Call) int {
	// tar czf is tar -czf.
	if len(c.Args) > 0 && c.Args[0] != "" && !strings.HasPrefix(c.Args[0], "-") {
		c.Args = append([]string{"-" + c.Args[0]}, c.Args[1:]...)
		if i := strings.IndexByte(c.Args[0], 'f'); i >= 0 && i < len(c.Args[0])-1 {
			c.Args[0] = c.Args[0][:i] + c.Args[0][i+1:] + "f"
		}
	}
	f, ok := c.parse("c,create x,extract,get t,list r,append f,file= z,gzip,gunzip j,bzip2 J,xz a,auto-compress v,verbose C,directory= p,preserve-permissions exclude= strip-components= P,absolute-names O,to-stdout k,keep-old-files overwrite same-owner no-same-owner wildcards h,dereference numeric-owner totals remove-files T,files-from= one-top-level?")
	if !ok {
		return 2
	}
	dir := c.Dir
	if f.has("C") {
		dir = vfs.Abs(c.Dir, f.get("C"))
	}
	if f.has("j") || f.has("J") {
		c.errf("bzip2 and xz: Cannot exec: No such file or directory\ntar: Error is not recoverable: exiting now")
		return 2
	}
	switch {
	case f.has("c"):
		return c.tarCreate(f, dir)
	case f.has("x"), f.has("t"):
		return c.tarRead(f, dir)
	}
	c.errf("You must specify one of the '-Acdtrux', '--delete' or '--test-label' options")
	return 2
}

func (c *Call) tarCreate(f flags, dir string) int {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	names := f.args
	if f.has("T") {
		data, err := c.slurp(f.get("T"))
		if err != nil {
			c.errf("%s: Cannot open: %s", f.get("T"), Reason(err))
			return 2
		}
		names = append(names, splitLines(data)...)
	}
	if len(names) == 0 {
		c.errf("Cowardly refusing to create an empty archive")
		return 2
	}
	code, stripped := 0, false
	for _, name := range names {
		if c.exists(vfs.Abs(dir, name), false) == nil {
			c.errf("%s: Cannot stat: No such file or directory", name)
			code = 2
			continue
		}
		full := name
		if !strings.HasPrefix(name, "/") {
			full = strings.TrimSuffix(dir, "/") + "/" + name
		}
		c.walk(full, func(at string, i *vfs.Info) bool {
			inside := name + strings.TrimPrefix(at, full)
			if globExcluded(f.values["exclude"], inside) {
				return false
			}
			if strings.HasPrefix(inside, "/") && !f.has("P") {
				if !stripped {
					c.errf("Removing leading `/' from member names")
				}
				stripped, inside = true, strings.TrimLeft(inside, "/")
			}
			if err := c.tarAdd(w, at, inside, i); err != nil {
				c.errf("%s: Cannot open: %s", at, Reason(err))
				code = 2
			} else if f.has("v") {
				c.printf("%s\n", inside+word(i.IsDir(), "/", ""))
			}
			if int64(buf.Len()) > c.MaxRead {
				c.End("memory", true)
				return false
			}
			return true
		})
	}
	if code == 2 {
		c.errf("Exiting with failure status due to previous errors")
	}
	if err := w.Close(); err != nil {
		return 2
	}
	file := f.get("f")
	data := buf.Bytes()
	if f.has("z") || f.has("a") && strings.HasSuffix(file, "gz") {
		data = squeeze(data)
	}
	if file == "" || file == "-" {
		c.Out.Bytes(data)
	} else if err := c.write(vfs.Abs(c.Dir, file), data, false); err != nil {
		c.errf("%s: Cannot open: %s", file, Reason(err))
		return 2
	}
	return code
}

func globExcluded(patterns []string, name string) bool {
	for _, p := range patterns {
		for _, try := range []string{name, path.Base(name)} {
			if ok, err := path.Match(strings.TrimSuffix(p, "/"), try); err == nil && ok {
				return true
			}
		}
	}
	return false
}

func (c *Call) tarAdd(w *tar.Writer, at, inside string, i *vfs.Info) error {
	h := &tar.Header{Name: inside, Mode: int64(i.Perm), Uname: i.Owner, Gname: i.Group, ModTime: i.Changed, Format: tar.FormatGNU}
	var data []byte
	switch i.Kind {
	case vfs.Dir:
		h.Typeflag, h.Name = tar.TypeDir, strings.TrimSuffix(inside, "/")+"/"
	case vfs.Link:
		h.Typeflag, h.Linkname = tar.TypeSymlink, i.Target
	case vfs.Device:
		return nil
	default:
		var err error
		if data, err = c.FS.ReadFile(c.Who, c.abs(at)); err != nil {
			return err
		}
		h.Typeflag, h.Size = tar.TypeReg, int64(len(data))
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

func squeeze(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data) // into memory
	_ = w.Close()
	return b.Bytes()
}

func (c *Call) unsqueeze(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return c.readAll(r)
}

func (c *Call) tarRead(f flags, dir string) int {
	file := f.get("f")
	if file == "" {
		file = "-"
	}
	data, err := c.slurp(file)
	if err != nil {
		c.errf("%s: Cannot open: %s\ntar: Error is not recoverable: exiting now", file, Reason(err))
		return 2
	}
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		if data, err = c.unsqueeze(data); err != nil {
			c.errf("%s: not in gzip format", file)
			return 2
		}
	}
	strip := int(integer(f.get("strip-components")))
	r := tar.NewReader(bytes.NewReader(data))
	code := 0
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return code
		}
		if err != nil || c.stopped() {
			c.errf("This does not look like a tar archive\ntar: Exiting with failure status due to previous errors")
			return 2
		}
		if len(f.args) > 0 && !wanted(h.Name, f.args) {
			continue
		}
		if f.has("t") {
			if f.has("v") {
				c.printf("%s %s/%s %9d %s %s\n", modeText(headerInfo(h)), h.Uname, h.Gname, h.Size, h.ModTime.UTC().Format("2006-01-02 15:04"), h.Name)
			} else {
				c.printf("%s\n", h.Name)
			}
			continue
		}
		name := h.Name
		for range strip {
			_, name, _ = strings.Cut(name, "/")
		}
		if name == "" {
			continue
		}
		if f.has("v") {
			c.printf("%s\n", h.Name)
		}
		content, err := io.ReadAll(io.LimitReader(r, c.MaxRead))
		if err == nil && f.has("O") {
			c.Out.Bytes(content)
			continue
		}
		if err == nil {
			err = c.extract(dir, name, headerInfo(h), content, h.Linkname)
		}
		if err != nil {
			c.errf("%s: Cannot open: %s", name, Reason(err))
			code = 2
		}
	}
}

func wanted(name string, args []string) bool {
	for _, a := range args {
		a = strings.TrimSuffix(a, "/")
		if name == a || strings.HasPrefix(name, a+"/") || globExcluded([]string{a}, name) {
			return true
		}
	}
	return false
}

func headerInfo(h *tar.Header) *vfs.Info {
	i := &vfs.Info{Kind: vfs.File, Perm: uint32(h.Mode) & 0o7777, Owner: h.Uname, Group: h.Gname, Changed: h.ModTime}
	switch h.Typeflag {
	case tar.TypeDir:
		i.Kind = vfs.Dir
	case tar.TypeSymlink:
		i.Kind = vfs.Link
	}
	return i
}

// extract makes one file of an archive, below a folder.
func (c *Call) extract(dir, name string, i *vfs.Info, content []byte, target string) error {
	at := vfs.Abs(dir, strings.TrimLeft(vfs.Abs("/", name), "/"))
	if i.Kind == vfs.Dir {
		if there := c.exists(at, true); there != nil && there.IsDir() {
			return nil
		}
		return c.parents(at)
	}
	if err := c.parents(path.Dir(at)); err != nil {
		return err
	}
	if c.exists(at, false) != nil {
		if err := c.FS.Remove(c.Who, at, false); err != nil {
			return err
		}
	}
	if i.Kind == vfs.Link {
		return c.FS.Symlink(c.Who, target, at)
	}
	if err := c.FS.WriteFile(c.Who, at, content, i.Perm&^c.Umask()); err != nil {
		return err
	}
	if c.Who.Root() && i.Owner != "" {
		_ = c.FS.Chown(c.Who, at, i.Owner, i.Group, false)
	}
	return c.FS.Chtimes(c.Who, at, i.Changed.UTC())
}

// parents makes a folder and those above it.
func (c *Call) parents(dir string) error {
	if i := c.exists(dir, true); i != nil {
		return nil
	}
	if err := c.parents(path.Dir(dir)); err != nil {
		return err
	}
	return c.FS.Mkdir(c.Who, dir, 0o777&^c.Umask())
}

func gzipFiles(c *Call) int {
	f, ok := c.parse("d,decompress k,keep c,stdout f,force r,recursive v,verbose l t q n N 1 2 3 4 5 6 7 8 9,best fast S=")
	if !ok {
		return 1
	}
	test := f.has("t")
	unpack := f.has("d") || test || c.Name == "gunzip" || c.Name == "zcat"
	toOut := f.has("c") || test || c.Name == "zcat"
	names := f.args
	if len(names) == 0 {
		names, toOut = []string{"-"}, true
	}
	code := 0
	for _, name := range names {
		data, err := c.slurp(name)
		if err != nil && unpack && !strings.HasSuffix(name, ".gz") {
			if more, again := c.slurp(name + ".gz"); again == nil {
				data, err, name = more, nil, name+".gz"
			}
		}
		to := name + ".gz"
		if err == nil && unpack {
			data, err = c.unsqueeze(data)
			if err != nil {
				err = errors.New("not in gzip format")
			}
			if to = strings.TrimSuffix(name, ".gz"); strings.HasSuffix(name, ".tgz") {
				to = strings.TrimSuffix(name, ".tgz") + ".tar"
			}
			if err == nil && to == name && !toOut {
				err = errors.New("unknown suffix -- ignored")
			}
		} else if err == nil {
			if strings.HasSuffix(name, ".gz") && !toOut {
				c.errf("%s already has .gz suffix -- unchanged", name)
				code = 2
				continue
			}
			data = squeeze(data)
		}
		if err == nil && !toOut && c.exists(to, false) != nil && !f.has("f") {
			err = fmt.Errorf("%s already exists; not overwritten", to)
		}
		if err == nil && toOut {
			if !test {
				c.Out.Bytes(data)
			}
		} else if err == nil {
			err = c.write(to, data, false)
		}
		if err == nil && !toOut && !f.has("k") {
			err = c.FS.Remove(c.Who, c.abs(name), false)
		}
		if err != nil {
			c.errf("%s: %s", name, Reason(err))
			code = 1
		}
	}
	return code
}

func zipFiles(c *Call) int {
	f, ok := c.parse("r,recurse-paths q,quiet m,move j,junk-paths u e P,password= x= 9 1 v y")
	if !ok {
		return 16
	}
	if len(f.args) < 2 {
		c.errf("nothing to do")
		return 12
	}
	to := f.args[0]
	if path.Ext(to) == "" {
		to += ".zip"
	}
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, name := range f.args[1:] {
		if c.exists(name, true) == nil {
			c.errf("warning: name not matched: %s", name)
			continue
		}
		c.walk(name, func(at string, i *vfs.Info) bool {
			inside := strings.TrimLeft(at, "/")
			if i.IsDir() {
				_, err := w.CreateHeader(&zip.FileHeader{Name: strings.TrimSuffix(inside, "/") + "/", Modified: i.Changed})
				return err == nil && f.has("r")
			}
			data, err := c.FS.ReadFile(c.Who, c.abs(at))
			if err == nil {
				h := &zip.FileHeader{Name: inside, Modified: i.Changed, Method: zip.Deflate}
				h.SetMode(i.Mode().Perm())
				var out io.Writer
				if out, err = w.CreateHeader(h); err == nil {
					_, err = out.Write(data)
				}
			}
			if err != nil {
				c.errf("warning: could not open for reading: %s", at)
			} else if !f.has("q") {
				c.printf("  adding: %s\n", inside)
			}
			return int64(buf.Len()) < c.MaxRead
		})
	}
	if err := w.Close(); err != nil {
		return 14
	}
	if err := c.write(to, buf.Bytes(), false); err != nil {
		c.errf("%s: %s", to, Reason(err))
		return 15
	}
	return 0
}

func unzip(c *Call) int {
	f, ok := c.parse("l o n q d= j p t v P=")
	if !ok || len(f.args) == 0 {
		return 10
	}
	data, err := c.slurp(f.args[0])
	if err != nil {
		c.errf("cannot find or open %s, %s.zip or %s.ZIP.", f.args[0], f.args[0], f.args[0])
		return 9
	}
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		c.errf("%s is not a zip archive", f.args[0])
		return 9
	}
	dir := c.Dir
	if f.has("d") {
		dir = vfs.Abs(c.Dir, f.get("d"))
	}
	if !f.has("q") && !f.has("p") {
		c.printf("Archive:  %s\n", f.args[0])
	}
	code := 0
	for _, file := range r.File {
		if len(f.args) > 1 && !wanted(file.Name, f.args[1:]) || c.stopped() {
			continue
		}
		if f.has("l") {
			c.printf("%9d  %s   %s\n", file.UncompressedSize64, file.Modified.UTC().Format("2006-01-02 15:04"), file.Name)
			continue
		}
		content, err := c.unzipOne(file)
		if err == nil && f.has("p") {
			c.Out.Bytes(content)
			continue
		}
		i := &vfs.Info{Kind: vfs.File, Perm: uint32(file.Mode().Perm()), Changed: file.Modified.UTC()}
		if strings.HasSuffix(file.Name, "/") {
			i.Kind = vfs.Dir
		}
		if i.Perm == 0 {
			i.Perm = 0o644
		}
		if err == nil {
			err = c.extract(dir, file.Name, i, content, "")
		}
		if err != nil {
			c.errf("%s: %s", file.Name, Reason(err))
			code = 1
		} else if !f.has("q") {
			c.printf("  inflating: %s\n", file.Name)
		}
	}
	return code
}

func (c *Call) unzipOne(file *zip.File) ([]byte, error) {
	r, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return c.readAll(r)
}
