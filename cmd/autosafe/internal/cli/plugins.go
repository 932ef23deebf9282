package cli

func pluginsCommand() command {
	return command{
		name:  "plugins",
		short: "list, lock, mirror, write and test plugins",
		long: `Plugins add components: threat sources, simulators, reflectors, judges and
outputs. A recipe names those that it requires, and autosafe init installs them.`,
		group: []command{
			pluginsListCommand(), pluginsLockCommand(), pluginsMirrorCommand(),
			pluginsNewCommand(), pluginsTestCommand(), pluginsSchemaCommand(),
		},
	}
}
