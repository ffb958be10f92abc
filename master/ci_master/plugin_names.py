"""The names of :mod:`ci_master.plugins`, by kind: where each class lives.

A plain table, so that starting a master imports none of what it names.
"""

#: kind -> {name: "module:attribute"}
BUILT_IN: dict[str, dict[str, str]] = {
    "changes": {
        "GitPoller": "ci_master.changes.gitpoller:GitPoller",
        "PBChangeSource": "ci_master.changes.pb:PBChangeSource",
    },
    "reporters": {
        "BuildRequestGenerator": "ci_master.reporters.generators.buildrequest:BuildRequestGenerator",  # noqa: E501
        "BuildSetCombinedStatusGenerator": "ci_master.reporters.generators.buildset:BuildSetCombinedStatusGenerator",  # noqa: E501
        "BuildSetStatusGenerator": "ci_master.reporters.generators.buildset:BuildSetStatusGenerator",  # noqa: E501
        "BuildStartEndStatusGenerator": "ci_master.reporters.generators.build:BuildStartEndStatusGenerator",  # noqa: E501
        "BuildStatusGenerator": "ci_master.reporters.generators.build:BuildStatusGenerator",
        "HttpStatusPush": "ci_master.reporters.http:HttpStatusPush",
        "MailNotifier": "ci_master.reporters.mail:MailNotifier",
        "MessageFormatter": "ci_master.reporters.message:MessageFormatter",
        "MessageFormatterEmpty": "ci_master.reporters.message:MessageFormatterEmpty",
        "MessageFormatterFunction": "ci_master.reporters.message:MessageFormatterFunction",
        "MessageFormatterFunctionRaw": "ci_master.reporters.message:MessageFormatterFunctionRaw",
        "MessageFormatterMissingWorker": "ci_master.reporters.message:MessageFormatterMissingWorker",  # noqa: E501
        "MessageFormatterRenderable": "ci_master.reporters.message:MessageFormatterRenderable",
        "WorkerMissingGenerator": "ci_master.reporters.generators.worker:WorkerMissingGenerator",
    },
    "schedulers": {
        "AnyBranchScheduler": "ci_master.schedulers.basic:AnyBranchScheduler",
        "Dependent": "ci_master.schedulers.dependent:Dependent",
        "ForceScheduler": "ci_master.schedulers.forcesched:ForceScheduler",
        "Nightly": "ci_master.schedulers.nightly:Nightly",
        "NightlyTriggerable": "ci_master.schedulers.nightly:NightlyTriggerable",
        "Periodic": "ci_master.schedulers.timed:Periodic",
        "SingleBranchScheduler": "ci_master.schedulers.basic:SingleBranchScheduler",
        "Triggerable": "ci_master.schedulers.triggerable:Triggerable",
    },
    "secrets": {
        "SecretInAFile": "ci_master.secrets.file:SecretInAFile",
        "SecretInPass": "ci_master.secrets.passwordstore:SecretInPass",
    },
    "steps": {
        "Assert": "ci_master.steps.master:Assert",
        "BuildStep": "ci_master.builds.buildstep:BuildStep",
        "CMake": "ci_master.steps.cmake:CMake",
        "Compile": "ci_master.steps.warningcounting:Compile",
        "Configure": "ci_master.steps.shell:Configure",
        "CopyDirectory": "ci_master.steps.worker:CopyDirectory",
        "DirectoryUpload": "ci_master.steps.transfer:DirectoryUpload",
        "FileDownload": "ci_master.steps.transfer:FileDownload",
        "FileExists": "ci_master.steps.worker:FileExists",
        "FileUpload": "ci_master.steps.transfer:FileUpload",
        "Gerrit": "ci_master.steps.source.git:Gerrit",
        "Git": "ci_master.steps.source.git:Git",
        "GitCommit": "ci_master.steps.source.gitchange:GitCommit",
        "GitHub": "ci_master.steps.source.git:GitHub",
        "GitLab": "ci_master.steps.source.git:GitLab",
        "GitPush": "ci_master.steps.source.gitchange:GitPush",
        "GitTag": "ci_master.steps.source.gitchange:GitTag",
        "JSONPropertiesDownload": "ci_master.steps.transfer:JSONPropertiesDownload",
        "JSONStringDownload": "ci_master.steps.transfer:JSONStringDownload",
        "LogRenderable": "ci_master.steps.master:LogRenderable",
        "MakeDirectory": "ci_master.steps.worker:MakeDirectory",
        "MasterShellCommand": "ci_master.steps.mastershell:MasterShellCommand",
        "MultipleFileUpload": "ci_master.steps.transfer:MultipleFileUpload",
        "PyFlakes": "ci_master.steps.python:PyFlakes",
        "RemoveDirectory": "ci_master.steps.worker:RemoveDirectory",
        "RemovePYCs": "ci_master.steps.python:RemovePYCs",
        "SetProperties": "ci_master.steps.master:SetProperties",
        "SetPropertiesFromEnv": "ci_master.steps.master:SetPropertiesFromEnv",
        "SetProperty": "ci_master.steps.master:SetProperty",
        "SetPropertyFromCommand": "ci_master.steps.shell:SetPropertyFromCommand",
        "ShellCommand": "ci_master.steps.shell:ShellCommand",
        "ShellSequence": "ci_master.steps.shellsequence:ShellSequence",
        "Sphinx": "ci_master.steps.python:Sphinx",
        "StringDownload": "ci_master.steps.transfer:StringDownload",
        "Test": "ci_master.steps.warningcounting:Test",
        "Trial": "ci_master.steps.trial:Trial",
        "Trigger": "ci_master.steps.trigger:Trigger",
        "WarningCountingShellCommand": "ci_master.steps.warningcounting:WarningCountingShellCommand",  # noqa: E501
    },
    "util": {
        "AnyPropertyParameter": "ci_master.schedulers.choices:AnyPropertyParameter",
        "BooleanParameter": "ci_master.schedulers.parameters:BooleanParameter",
        "BuildFactory": "ci_master.builds.factory:BuildFactory",
        "BuilderConfig": "ci_master.builds.builderconfig:BuilderConfig",
        "CANCELLED": "ci_common.results:CANCELLED",
        "CPAN": "ci_master.steps.factories:CPAN",
        "ChangeFilter": "ci_master.data.filters:ChangeFilter",
        "ChoiceStringParameter": "ci_master.schedulers.parameters:ChoiceStringParameter",
        "Codebase": "ci_master.builds.project:Codebase",
        "CodebaseParameter": "ci_master.schedulers.groups:CodebaseParameter",
        "Distutils": "ci_master.steps.factories:Distutils",
        "EXCEPTION": "ci_common.results:EXCEPTION",
        "FAILURE": "ci_common.results:FAILURE",
        "FileParameter": "ci_master.schedulers.parameters:FileParameter",
        "FixedParameter": "ci_master.schedulers.parameters:FixedParameter",
        "FlattenList": "ci_master.builds.renderables:FlattenList",
        "GNUAutoconf": "ci_master.steps.factories:GNUAutoconf",
        "GerritChangeFilter": "ci_master.data.filters:GerritChangeFilter",
        "InheritBuildParameter": "ci_master.schedulers.choices:InheritBuildParameter",
        "IntParameter": "ci_master.schedulers.parameters:IntParameter",
        "Interpolate": "ci_master.builds.interpolate:Interpolate",
        "LogLineObserver": "ci_master.builds.logobserver:LogLineObserver",
        "MasterLock": "ci_master.builds.lockids:MasterLock",
        "NestedParameter": "ci_master.schedulers.groups:NestedParameter",
        "ParameterGroup": "ci_master.schedulers.groups:ParameterGroup",
        "PatchParameter": "ci_master.schedulers.groups:PatchParameter",
        "Project": "ci_master.builds.project:Project",
        "Property": "ci_master.builds.renderables:Property",
        "RETRY": "ci_common.results:RETRY",
        "RemoteUserAuth": "ci_www.auth.identity:RemoteUserAuth",
        "Results": "ci_common.results:Results",
        "SKIPPED": "ci_common.results:SKIPPED",
        "SUCCESS": "ci_common.results:SUCCESS",
        "Secret": "ci_master.builds.renderables:Secret",
        "ShellArg": "ci_master.steps.shellsequence:ShellArg",
        "SourceStampFilter": "ci_master.data.filters:SourceStampFilter",
        "StringParameter": "ci_master.schedulers.parameters:StringParameter",
        "TextParameter": "ci_master.schedulers.parameters:TextParameter",
        "Transform": "ci_master.builds.renderables:Transform",
        "UserNameParameter": "ci_master.schedulers.parameters:UserNameParameter",
        "WARNINGS": "ci_common.results:WARNINGS",
        "WithProperties": "ci_master.builds.withproperties:WithProperties",
        "WorkerChoiceParameter": "ci_master.schedulers.choices:WorkerChoiceParameter",
        "WorkerLock": "ci_master.builds.lockids:WorkerLock",
        "enforceChosenWorker": "ci_master.builds.builder:enforceChosenWorker",
        "renderer": "ci_master.builds.renderables:renderer",
    },
    "worker": {
        "LocalWorker": "ci_master.workers.local:LocalWorker",
        "Worker": "ci_master.workers.config:Worker",
    },
}

#: kind -> names that configurations know from elsewhere, and that are not there yet
LATER: dict[str, str] = {
    "changes": """
        BitbucketPullrequestPoller BzrLaunchpadEmailMaildirSource CVSMaildirSource
        GerritChangeSource GerritEventLogPoller GitHubPullrequestPoller HgPoller
        MaildirSource P4Source SVNCommitEmailMaildirSource SVNPoller
    """,
    "machine": """
        Machine
    """,
    "reporters": """
        BitbucketServerCoreAPIStatusPush BitbucketServerPRCommentPush
        BitbucketServerStatusPush BitbucketStatusPush GerritStatusPush
        GerritVerifyStatusPush GitHubCommentPush GitHubStatusPush GitLabStatusPush IRC
        PushjetNotifier PushoverNotifier TelegramBot ZulipStatusPush
    """,
    "schedulers": """
        Try_Jobdir Try_Userpass
    """,
    "secrets": """
        HashiCorpVaultKvSecretProvider VaultAuthenticatorApprole VaultAuthenticatorToken
    """,
    "steps": """
        BuildEPYDoc BuildbotCiSetupSteps BuildbotTestCiTrigger Bzr CVS Cppcheck DELETE Darcs
        DebCowbuilder DebLintian DebPbuilder GET GitDiffInfo HEAD HLint HTTPStep MaxQ
        Mercurial Mock MockBuildSRPM MockRebuild Monotone MsBuild MsBuild12 MsBuild14
        MsBuild141 MsBuild15 MsBuild16 MsBuild17 MsBuild4 OPTIONS P4 POST PUT PerlModuleTest
        PyLint Repo Robocopy RpmBuild RpmLint SVN SubunitShellCommand TreeSize UbuCowbuilder
        UbuPbuilder VC10 VC11 VC12 VC14 VC141 VC6 VC7 VC8 VC9 VCExpress9 VS2003 VS2005 VS2008
        VS2010 VS2012 VS2013 VS2015 VS2017 VS2019 VS2022
    """,
    "util": """
        AnyControlEndpointMatcher AnyEndpointMatcher AuthorizedKeysManhole Authz
        AvatarGitHub AvatarGravatar BasicBuildFactory BasicSVN BitbucketAuth
        CommandlineUserManager Connection CustomAuth DbConfig EnableSchedulerEndpointMatcher
        FailingBuildsetCanceller ForceBuildEndpointMatcher GitCredentialInputRenderer
        GitCredentialOptions GitHubAuth GitLabAuth GoogleAuth HTPasswdAuth
        JanitorConfigurator KubeCtlProxyConfigLoader KubeHardcodedConfig
        KubeInClusterConfigLoader LdapUserInfo OldBuildCanceller PasswordManhole
        QuickBuildFactory RebuildBuildEndpointMatcher RevlinkMatch
        RolesFromDomain RolesFromEmails RolesFromGroups RolesFromOwner RolesFromUsername
        StopBuildEndpointMatcher TelnetManhole Trial URLForBuild UserPasswordAuth
        fnmatchStrMatcher reStrMatcher repo.DownloadsFromChangeSource
        repo.DownloadsFromProperties svn.split_file_alwaystrunk svn.split_file_branches
        svn.split_file_projects_branches
    """,
    "webhooks": """
        base bitbucket bitbucketcloud bitbucketserver github gitlab gitorious poller
    """,
    "worker": """
        DockerLatentWorker EC2LatentWorker KubeLatentWorker LibVirtWorker
        OpenStackLatentWorker
    """,
    "www": """
        badges base console_view grid_view waterfall_view wsgi_dashboards
    """,
}
