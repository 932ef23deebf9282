package tools

// backUp puts a file aside that is about to be overwritten, where -b asks for that.
func (c *Call) backUp(f flags, to string) {
	if !f.has("b") && !f.has("backup") {
		return
	}
	suffix := "~"
	if how := f.get("backup"); how == "numbered" || how == "t" {
		suffix = ".~1~"
	}
	_ = c.FS.Rename(c.Who, c.abs(to), c.abs(to)+suffix)
}
