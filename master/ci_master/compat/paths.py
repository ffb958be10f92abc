"""Which of our modules has what a module of Buildbot has.

A name that is missing here does not exist in this version.
"""

#: module of Buildbot -> {our module: the names that it has}
TARGETS: dict[str, dict[str, str]] = {
    "buildbot": {
        "ci_master.compat.versions": "getVersion version",
    },
    "buildbot.buildrequest": {
        "ci_master.builds.buildrequest": "BuildRequest",
    },
    "buildbot.changes.base": {
        "ci_master.changes.base": "ChangeSource ReconfigurablePollingChangeSource",
    },
    "buildbot.changes.changes": {
        "ci_master.builds.properties": "Properties",
        "ci_master.data.change": "Change",
    },
    "buildbot.changes.filter": {
        "ci_master.data.filters": "ChangeFilter NotABranch",
        "ci_master.data.recorded": "ComparableMixin",
    },
    "buildbot.changes.gerritchangesource": {
        "ci_master.data.filters": "ChangeFilter GerritChangeFilter",
    },
    "buildbot.changes.github": {
        "ci_master.data.endpoints.steps": "log",
    },
    "buildbot.changes.gitpoller": {
        "ci_master.builds.project": "Codebase",
        "ci_master.changes.git_program": "GitError",
        "ci_master.changes.gitpoller": "GitPoller",
    },
    "buildbot.changes.pb": {
        "ci_master.changes.pb": "ChangePerspective PBChangeSource",
    },
    "buildbot.clients.tryclient": {
        "ci_common.results": "Results SUCCESS",
        "ci_master.builds.sourcestamp": "SourceStamp",
    },
    "buildbot.config": {
        "ci_master.builds.builderconfig": "BuilderConfig",
        "ci_master.compat.errors": "ConfigErrors error",
    },
    "buildbot.config.builder": {
        "ci_master.builds.builderconfig": "BuilderConfig RESERVED_UNDERSCORE_NAMES",
        "ci_master.builds.checks": "check_param_length check_param_str_none",
        "ci_master.builds.configchecks": "safeTranslate",
        "ci_master.compat.errors": "error",
    },
    "buildbot.config.checks": {
        "ci_master.builds.checks": (
            "check_param_bool check_param_length check_param_number_none check_param_str "
            "check_param_str_none"
        ),
        "ci_master.compat.errors": "error",
    },
    "buildbot.config.errors": {
        "ci_master.compat.errors": "ConfigErrors error",
    },
    "buildbot.config.master": {
        "ci_master.builds.builderconfig": "BuilderConfig",
        "ci_master.builds.interfaces": "IProperties IRenderable",
        "ci_master.builds.project": "Codebase Project",
        "ci_master.compat.errors": "ConfigErrors error",
        "ci_master.data.recorded": "ComparableMixin",
    },
    "buildbot.configurators.janitor": {
        "ci_common.results": "SUCCESS",
        "ci_master.builds.builderconfig": "BuilderConfig",
        "ci_master.builds.buildstep": "BuildStep",
        "ci_master.builds.factory": "BuildFactory",
        "ci_master.schedulers.forcesched": "ForceScheduler",
        "ci_master.schedulers.nightly": "Nightly",
        "ci_master.workers.local": "LocalWorker",
    },
    "buildbot.data.base": {
        "ci_master.data.paths": "Endpoint",
    },
    "buildbot.data.builders": {
        "ci_master.data.model": "Builder",
    },
    "buildbot.data.buildrequests": {
        "ci_common.results": "RETRY",
    },
    "buildbot.data.builds": {
        "ci_master.data.resultspec": "ResultSpec",
    },
    "buildbot.data.buildsets": {
        "ci_common.results": "SUCCESS",
        "ci_master.data.model": "Buildset",
    },
    "buildbot.data.changes": {
        "ci_master.data.change": "Change",
        "ci_master.data.endpoints.requests": "sourcestamps",
    },
    "buildbot.data.changesources": {
        "ci_master.data.endpoints.memory": "masters",
    },
    "buildbot.data.masters": {
        "ci_common.results": "RETRY",
    },
    "buildbot.data.resultspec": {
        "ci_master.data.resultspec": "Filter ResultSpec",
    },
    "buildbot.data.schedulers": {
        "ci_master.data.endpoints.memory": "masters",
    },
    "buildbot.db.buildrequests": {
        "ci_common.results": "RETRY",
    },
    "buildbot.db.connector": {
        "ci_master.data.endpoints.builds": "build_data builds changes",
        "ci_master.data.endpoints.memory": (
            "builders changesources masters projects schedulers workers"
        ),
        "ci_master.data.endpoints.requests": "buildrequests buildsets sourcestamps",
        "ci_master.data.endpoints.results": "codebases test_result_sets test_results",
        "ci_master.data.endpoints.steps": "logs steps",
    },
    "buildbot.interfaces": {
        "ci_master.builds.errors": "WorkerSetupError",
        "ci_master.builds.interfaces": (
            "IBuildStep IBuildStepFactory IConfigured IProperties IRenderable"
        ),
        "ci_master.reporters.interfaces": "IEmailLookup IReportGenerator",
    },
    "buildbot.locks": {
        "ci_master.builds.lockids": "BaseLockId LockAccess MasterLock WorkerLock",
        "ci_master.builds.locks": "BaseLock RealMasterLock RealWorkerLock",
    },
    "buildbot.manhole": {
        "ci_master.data.recorded": "ComparableMixin",
        "ci_master.storage.engine": "show",
    },
    "buildbot.master": {
        "ci_master.app.master": "BuildMaster",
    },
    "buildbot.plugins": {
        "ci_master.plugins": (
            "changes reporters schedulers secrets statistics steps util webhooks worker"
        ),
    },
    "buildbot.process.base": {
        "ci_master.builds.build": "Build",
    },
    "buildbot.process.botmaster": {
        "ci_common.results": "CANCELLED RETRY",
        "ci_master.builds.builder": "Builder",
    },
    "buildbot.process.build": {
        "ci_common.results": (
            "CANCELLED EXCEPTION FAILURE RETRY SKIPPED SUCCESS WARNINGS "
            "computeResultAndTermination statusToString worst_status"
        ),
        "ci_master.builds.build": "Build",
        "ci_master.data.endpoints.builds": "properties",
    },
    "buildbot.process.builder": {
        "ci_common.results": "RETRY",
        "ci_master.builds.build": "Build",
        "ci_master.builds.builder": "Builder enforceChosenWorker",
        "ci_master.builds.interfaces": "IRenderable",
        "ci_master.builds.properties": "Properties",
        "ci_master.data.endpoints.requests": "buildrequest",
    },
    "buildbot.process.buildrequest": {
        "ci_common.results": "SKIPPED",
        "ci_master.builds.buildrequest": "BuildRequest",
        "ci_master.data.endpoints.builds": "properties",
    },
    "buildbot.process.buildrequestdistributor": {
        "ci_master.builds.buildrequest": "BuildRequest",
    },
    "buildbot.process.buildstep": {
        "ci_common.results": (
            "ALL_RESULTS CANCELLED EXCEPTION FAILURE RETRY SKIPPED SUCCESS WARNINGS statusToString"
        ),
        "ci_master.builds.buildstep": "BuildStep",
        "ci_master.builds.checks": (
            "check_param_bool check_param_length check_param_number_none check_param_str "
            "check_param_str_none"
        ),
        "ci_master.builds.commandmixin": "CommandMixin",
        "ci_master.builds.errors": (
            "BuildStepCancelled BuildStepFailed CallableAttributeError WorkerSetupError"
        ),
        "ci_master.builds.interfaces": "IRenderable",
        "ci_master.builds.renderables": "flatten",
        "ci_master.builds.shellmixin": "ShellMixin",
        "ci_master.builds.template": (
            "create_step_from_step_or_factory get_factory_from_step_or_factory"
        ),
        "ci_master.builds.withproperties": "WithProperties",
        "ci_master.data.endpoints.builds": "properties",
    },
    "buildbot.process.codebase": {
        "ci_master.builds.checks": "check_param_str",
        "ci_master.builds.project": "Codebase",
    },
    "buildbot.process.factory": {
        "ci_master.builds.build": "Build",
        "ci_master.builds.factory": "BuildFactory",
        "ci_master.steps.factories": "CPAN Distutils GNUAutoconf",
        "ci_master.steps.secrets": "DownloadSecretsToWorker RemoveWorkerFileSecret",
        "ci_master.steps.shell": "Configure ShellCommand",
        "ci_master.steps.warningcounting": "Compile Test",
    },
    "buildbot.process.log": {
        "ci_master.builds.log": "HtmlLog Log PlainLog StreamLog TextLog",
    },
    "buildbot.process.logobserver": {
        "ci_master.builds.logobserver": (
            "BufferLogObserver LineConsumerLogObserver LogLineObserver LogObserver "
            "OutputProgressObserver"
        ),
    },
    "buildbot.process.project": {
        "ci_master.builds.checks": "check_param_str check_param_str_none",
        "ci_master.builds.project": "Project",
    },
    "buildbot.process.properties": {
        "ci_master.builds.interfaces": "IProperties IRenderable",
        "ci_master.builds.interpolate": "Interpolate",
        "ci_master.builds.properties": "Properties PropertiesMixin",
        "ci_master.builds.renderables": (
            "FlattenList Property RenderableOperatorsMixin Secret Transform flatten renderer"
        ),
        "ci_master.builds.withproperties": "WithProperties",
    },
    "buildbot.process.remotecommand": {
        "ci_common.results": "CANCELLED FAILURE SUCCESS",
        "ci_master.builds.remotecommand": (
            "LoggedRemoteCommand RemoteCommand RemoteException RemoteShellCommand"
        ),
    },
    "buildbot.process.remotetransfer": {
        "ci_master.builds.remotetransfer": "StringFileReader StringFileWriter",
        "ci_master.workers.transfer": "DirectoryWriter FileReader FileWriter",
    },
    "buildbot.process.results": {
        "ci_common.results": (
            "ALL_RESULTS CANCELLED EXCEPTION FAILURE RETRY Results SKIPPED SUCCESS WARNINGS "
            "computeResultAndTermination statusToString worst_status"
        ),
    },
    "buildbot.process.workerforbuilder": {
        "ci_master.queue.choosing": "WorkerForBuilder",
    },
    "buildbot.reporters.base": {
        "ci_master.reporters.base": "ENCODING ReporterBase",
    },
    "buildbot.reporters.bitbucket": {
        "ci_common.results": "SUCCESS",
        "ci_master.builds.properties": "Properties",
        "ci_master.builds.renderables": "Property",
        "ci_master.reporters.base": "ReporterBase",
        "ci_master.reporters.generators.build": "BuildStartEndStatusGenerator",
        "ci_master.reporters.message": "MessageFormatter",
    },
    "buildbot.reporters.bitbucketserver": {
        "ci_common.results": "SUCCESS",
        "ci_master.builds.interpolate": "Interpolate",
        "ci_master.builds.properties": "Properties",
        "ci_master.reporters.base": "ReporterBase",
        "ci_master.reporters.generators.build": "BuildStartEndStatusGenerator BuildStatusGenerator",
        "ci_master.reporters.generators.buildrequest": "BuildRequestGenerator",
        "ci_master.reporters.message": "MessageFormatterRenderable",
        "ci_master.reporters.utils": "merge_reports_prop",
    },
    "buildbot.reporters.generators.build": {
        "ci_master.reporters.generators.build": "BuildStartEndStatusGenerator BuildStatusGenerator",
        "ci_master.reporters.generators.utils": "BuildStatusGeneratorMixin",
        "ci_master.reporters.message": "MessageFormatter MessageFormatterRenderable",
    },
    "buildbot.reporters.generators.buildrequest": {
        "ci_common.results": "CANCELLED",
        "ci_master.builds.build": "Build",
        "ci_master.builds.buildrequest": "BuildRequest",
        "ci_master.builds.properties": "Properties",
        "ci_master.reporters.generators.buildrequest": "BuildRequestGenerator",
        "ci_master.reporters.generators.utils": "BuildStatusGeneratorMixin",
        "ci_master.reporters.message": "MessageFormatterRenderable",
    },
    "buildbot.reporters.generators.buildset": {
        "ci_common.results": "statusToString",
        "ci_master.reporters.generators.buildset": (
            "BuildSetCombinedStatusGenerator BuildSetStatusGenerator"
        ),
        "ci_master.reporters.generators.utils": "BuildStatusGeneratorMixin",
        "ci_master.reporters.message": "MessageFormatter",
    },
    "buildbot.reporters.generators.utils": {
        "ci_common.results": "CANCELLED EXCEPTION FAILURE SUCCESS WARNINGS statusToString",
        "ci_master.reporters.generators.utils": "BuildStatusGeneratorMixin",
    },
    "buildbot.reporters.generators.worker": {
        "ci_master.reporters.base": "ENCODING",
        "ci_master.reporters.generators.worker": "WorkerMissingGenerator",
        "ci_master.reporters.message": "MessageFormatterMissingWorker",
    },
    "buildbot.reporters.gerrit": {
        "ci_common.results": "EXCEPTION FAILURE RETRY Results SUCCESS WARNINGS",
        "ci_master.reporters.base": "ReporterBase",
    },
    "buildbot.reporters.gerrit_verify_status": {
        "ci_common.results": "CANCELLED EXCEPTION FAILURE RETRY SKIPPED SUCCESS WARNINGS",
        "ci_master.builds.interpolate": "Interpolate",
        "ci_master.builds.properties": "Properties",
        "ci_master.reporters.base": "ReporterBase",
        "ci_master.reporters.generators.build": "BuildStartEndStatusGenerator",
        "ci_master.reporters.message": "MessageFormatterRenderable",
    },
    "buildbot.reporters.github": {
        "ci_common.results": "CANCELLED EXCEPTION FAILURE RETRY SKIPPED SUCCESS WARNINGS",
        "ci_master.builds.interpolate": "Interpolate",
        "ci_master.builds.properties": "Properties",
        "ci_master.reporters.base": "ReporterBase",
        "ci_master.reporters.generators.build": "BuildStartEndStatusGenerator",
        "ci_master.reporters.generators.buildrequest": "BuildRequestGenerator",
        "ci_master.reporters.message": "MessageFormatterRenderable",
    },
    "buildbot.reporters.gitlab": {
        "ci_common.results": "CANCELLED EXCEPTION FAILURE RETRY SKIPPED SUCCESS WARNINGS",
        "ci_master.builds.interpolate": "Interpolate",
        "ci_master.builds.properties": "Properties",
        "ci_master.reporters.base": "ReporterBase",
        "ci_master.reporters.generators.build": "BuildStartEndStatusGenerator",
        "ci_master.reporters.generators.buildrequest": "BuildRequestGenerator",
        "ci_master.reporters.message": "MessageFormatterRenderable",
    },
    "buildbot.reporters.http": {
        "ci_master.reporters.base": "ReporterBase",
        "ci_master.reporters.generators.build": "BuildStatusGenerator",
        "ci_master.reporters.http": "HttpStatusPush",
        "ci_master.reporters.message": "MessageFormatterFunction",
    },
    "buildbot.reporters.irc": {
        "ci_common.results": "CANCELLED EXCEPTION FAILURE RETRY SKIPPED SUCCESS WARNINGS",
    },
    "buildbot.reporters.mail": {
        "ci_master.builds.properties": "Properties",
        "ci_master.reporters.base": "ENCODING ReporterBase",
        "ci_master.reporters.generators.build": "BuildStatusGenerator",
        "ci_master.reporters.generators.worker": "WorkerMissingGenerator",
        "ci_master.reporters.mail": "Domain MailNotifier",
        "ci_master.reporters.mailtext": "VALID_EMAIL VALID_EMAIL_ADDR",
        "ci_master.reporters.message": "MessageFormatter MessageFormatterMissingWorker",
        "ci_master.reporters.utils": "merge_reports_prop merge_reports_prop_take_first",
    },
    "buildbot.reporters.message": {
        "ci_common.results": (
            "CANCELLED EXCEPTION FAILURE RETRY Results SKIPPED SUCCESS WARNINGS statusToString"
        ),
        "ci_master.builds.properties": "Properties",
        "ci_master.reporters.context": (
            "create_context_for_build create_context_for_buildset create_context_for_worker "
            "get_detected_status_text get_message_source_stamp_text get_message_summary_text "
            "get_projects_text"
        ),
        "ci_master.reporters.message": (
            "MessageFormatter MessageFormatterBase MessageFormatterBaseJinja "
            "MessageFormatterEmpty MessageFormatterFunction MessageFormatterFunctionRaw "
            "MessageFormatterMissingWorker MessageFormatterRenderable"
        ),
        "ci_master.reporters.templates": (
            "default_body_template_html default_body_template_plain "
            "default_missing_template_html default_missing_template_plain "
            "default_missing_worker_subject_template default_subject_template"
        ),
    },
    "buildbot.reporters.pushjet": {
        "ci_common.results": "CANCELLED EXCEPTION FAILURE SUCCESS WARNINGS",
        "ci_master.reporters.base": "ENCODING ReporterBase",
        "ci_master.reporters.generators.build": "BuildStatusGenerator",
        "ci_master.reporters.message": "MessageFormatter",
        "ci_master.reporters.utils": "merge_reports_prop merge_reports_prop_take_first",
    },
    "buildbot.reporters.pushover": {
        "ci_common.results": "CANCELLED EXCEPTION FAILURE SUCCESS WARNINGS",
        "ci_master.reporters.base": "ENCODING ReporterBase",
        "ci_master.reporters.generators.build": "BuildStatusGenerator",
        "ci_master.reporters.message": "MessageFormatter",
        "ci_master.reporters.utils": "merge_reports_prop merge_reports_prop_take_first",
    },
    "buildbot.reporters.telegram": {
        "ci_common.results": "CANCELLED EXCEPTION FAILURE RETRY SUCCESS WARNINGS",
        "ci_master.schedulers.errors": "CollectedValidationError",
        "ci_master.schedulers.forcesched": "ForceScheduler",
    },
    "buildbot.reporters.utils": {
        "ci_common.results": "RETRY",
        "ci_master.reporters.utils": (
            "getDetailsForBuild getDetailsForBuilds getDetailsForBuildset getPreviousBuild "
            "getResponsibleUsersForBuild getResponsibleUsersForSourceStamp getURLForBuild "
            "getURLForBuildrequest get_details_for_buildrequest "
            "get_responsible_users_for_buildset get_url_for_log get_url_for_log_raw "
            "merge_reports_prop merge_reports_prop_take_first should_attach_log"
        ),
    },
    "buildbot.reporters.words": {
        "ci_common.results": (
            "CANCELLED EXCEPTION FAILURE RETRY SKIPPED SUCCESS WARNINGS statusToString"
        ),
        "ci_master.builds.properties": "Properties",
    },
    "buildbot.reporters.zulip": {
        "ci_master.reporters.base": "ReporterBase",
        "ci_master.reporters.generators.build": "BuildStartEndStatusGenerator",
    },
    "buildbot.scheduler": {
        "ci_master.schedulers.basic": "AnyBranchScheduler Scheduler",
        "ci_master.schedulers.dependent": "Dependent",
        "ci_master.schedulers.nightly": "Nightly",
        "ci_master.schedulers.timed": "Periodic",
        "ci_master.schedulers.triggerable": "Triggerable",
    },
    "buildbot.schedulers.base": {
        "ci_master.builds.properties": "Properties",
        "ci_master.data.service": "ClusteredBuildbotService",
        "ci_master.schedulers.base": "BaseScheduler ReconfigurableBaseScheduler",
    },
    "buildbot.schedulers.basic": {
        "ci_master.data.filters": "ChangeFilter NotABranch",
        "ci_master.schedulers.basic": (
            "AnyBranchScheduler BaseBasicScheduler Scheduler SingleBranchScheduler"
        ),
        "ci_master.schedulers.codebases": "AbsoluteSourceStampsMixin",
        "ci_master.schedulers.dependent": "Dependent",
    },
    "buildbot.schedulers.canceller": {
        "ci_master.data.filters": "SourceStampFilter",
        "ci_master.data.service": "BuildbotService",
    },
    "buildbot.schedulers.canceller_buildset": {
        "ci_common.results": "FAILURE",
        "ci_master.data.filters": "SourceStampFilter",
        "ci_master.data.service": "BuildbotService",
    },
    "buildbot.schedulers.dependent": {
        "ci_common.results": "SUCCESS WARNINGS",
        "ci_master.schedulers.dependent": "Dependent",
    },
    "buildbot.schedulers.filter": {
        "ci_master.data.filters": "ChangeFilter",
    },
    "buildbot.schedulers.forcesched": {
        "ci_master.builds.properties": "Properties",
        "ci_master.schedulers.choices": (
            "AnyPropertyParameter InheritBuildParameter WorkerChoiceParameter"
        ),
        "ci_master.schedulers.errors": (
            "CollectedValidationError ValidationError ValidationErrorCollector"
        ),
        "ci_master.schedulers.forcesched": "ForceScheduler",
        "ci_master.schedulers.groups": (
            "CodebaseParameter DefaultField NestedParameter ParameterGroup PatchParameter "
            "oneCodebase"
        ),
        "ci_master.schedulers.parameter_base": "BaseParameter",
        "ci_master.schedulers.parameters": (
            "BooleanParameter ChoiceStringParameter FileParameter FixedParameter "
            "IntParameter StringParameter TextParameter UserNameParameter"
        ),
    },
    "buildbot.schedulers.timed": {
        "ci_master.data.filters": "ChangeFilter",
        "ci_master.schedulers.codebases": "AbsoluteSourceStampsMixin",
        "ci_master.schedulers.nightly": "Nightly NightlyBase NightlyTriggerable",
        "ci_master.schedulers.timed": "Periodic",
        "ci_master.schedulers.timed_base": "Timed",
    },
    "buildbot.schedulers.triggerable": {
        "ci_master.builds.properties": "Properties",
        "ci_master.schedulers.triggerable": "Triggerable",
    },
    "buildbot.schedulers.trysched": {
        "ci_master.builds.properties": "Properties",
    },
    "buildbot.scripts.base": {
        "ci_master.compat.errors": "ConfigErrors",
    },
    "buildbot.scripts.checkconfig": {
        "ci_master.compat.errors": "ConfigErrors",
    },
    "buildbot.scripts.cleanupdb": {
        "ci_master.app.master": "BuildMaster",
    },
    "buildbot.scripts.copydb": {
        "ci_master.app.master": "BuildMaster",
    },
    "buildbot.scripts.create_master": {
        "ci_master.app.master": "BuildMaster",
    },
    "buildbot.scripts.upgrade_master": {
        "ci_master.app.master": "BuildMaster",
        "ci_master.builds.interfaces": "IRenderable",
    },
    "buildbot.secrets.manager": {
        "ci_master.secrets.base": "SecretDetails SecretProviderBase",
    },
    "buildbot.secrets.providers.base": {
        "ci_master.data.service": "BuildbotService",
        "ci_master.secrets.base": "SecretProviderBase",
    },
    "buildbot.secrets.providers.file": {
        "ci_master.secrets.base": "SecretProviderBase",
        "ci_master.secrets.file": "SecretInAFile",
    },
    "buildbot.secrets.providers.passwordstore": {
        "ci_master.secrets.base": "SecretProviderBase",
        "ci_master.secrets.passwordstore": "SecretInPass",
    },
    "buildbot.secrets.providers.vault_hvac": {
        "ci_master.secrets.base": "SecretProviderBase",
    },
    "buildbot.secrets.secret": {
        "ci_master.secrets.base": "SecretDetails",
    },
    "buildbot.steps.cmake": {
        "ci_master.builds.buildstep": "BuildStep",
        "ci_master.builds.interfaces": "IRenderable",
        "ci_master.builds.shellmixin": "ShellMixin",
        "ci_master.steps.cmake": "CMake",
    },
    "buildbot.steps.configurable": {
        "ci_common.results": "SUCCESS",
        "ci_master.builds.composite": "CompositeStepMixin",
        "ci_master.builds.properties": "Properties",
        "ci_master.steps.shell": "ShellCommand",
        "ci_master.steps.trigger": "Trigger",
    },
    "buildbot.steps.cppcheck": {
        "ci_common.results": "FAILURE SUCCESS WARNINGS",
        "ci_master.builds.buildstep": "BuildStep",
        "ci_master.builds.shellmixin": "ShellMixin",
    },
    "buildbot.steps.download_secret_to_worker": {
        "ci_common.results": "FAILURE SUCCESS",
        "ci_master.builds.buildstep": "BuildStep",
        "ci_master.builds.composite": "CompositeStepMixin",
        "ci_master.steps.secrets": "DownloadSecretsToWorker RemoveWorkerFileSecret",
    },
    "buildbot.steps.http": {
        "ci_common.results": "FAILURE SUCCESS",
        "ci_master.builds.buildstep": "BuildStep",
    },
    "buildbot.steps.master": {
        "ci_common.results": "CANCELLED FAILURE SUCCESS",
        "ci_master.builds.buildstep": "BuildStep",
        "ci_master.steps.master": "Assert LogRenderable SetProperties SetProperty",
        "ci_master.steps.mastershell": "MasterShellCommand",
    },
    "buildbot.steps.maxq": {
        "ci_common.results": "FAILURE SUCCESS",
    },
    "buildbot.steps.mswin": {
        "ci_common.results": "EXCEPTION FAILURE SUCCESS WARNINGS",
        "ci_master.builds.buildstep": "BuildStep",
        "ci_master.builds.shellmixin": "ShellMixin",
    },
    "buildbot.steps.package.deb.lintian": {
        "ci_common.results": "FAILURE SUCCESS WARNINGS",
    },
    "buildbot.steps.package.deb.pbuilder": {
        "ci_master.steps.warningcounting": "WarningCountingShellCommand",
    },
    "buildbot.steps.package.rpm.rpmlint": {
        "ci_master.steps.warningcounting": "Test",
    },
    "buildbot.steps.python": {
        "ci_common.results": "FAILURE SUCCESS WARNINGS",
        "ci_master.steps.python": "PyFlakes Sphinx",
    },
    "buildbot.steps.python_twisted": {
        "ci_common.results": "FAILURE SKIPPED SUCCESS WARNINGS",
        "ci_master.steps.python": "RemovePYCs",
        "ci_master.steps.trial": "Trial",
    },
    "buildbot.steps.shell": {
        "ci_common.results": "FAILURE SUCCESS WARNINGS",
        "ci_master.builds.composite": "CompositeStepMixin",
        "ci_master.builds.withproperties": "WithProperties",
        "ci_master.steps.shell": "Configure SetPropertyFromCommand ShellCommand",
        "ci_master.steps.warningcounting": "Compile Test WarningCountingShellCommand",
    },
    "buildbot.steps.shellsequence": {
        "ci_master.steps.shellsequence": "ShellArg ShellSequence",
    },
    "buildbot.steps.source": {
        "ci_master.steps.source.base": "Source",
    },
    "buildbot.steps.source.base": {
        "ci_common.results": "FAILURE",
        "ci_master.builds.composite": "CompositeStepMixin",
        "ci_master.steps.source.base": "Source",
    },
    "buildbot.steps.source.bzr": {
        "ci_master.builds.errors": "WorkerSetupError",
        "ci_master.steps.source.base": "Source",
    },
    "buildbot.steps.source.cvs": {
        "ci_master.builds.errors": "WorkerSetupError",
        "ci_master.builds.remotetransfer": "StringFileWriter",
        "ci_master.steps.source.base": "Source",
    },
    "buildbot.steps.source.darcs": {
        "ci_common.results": "SUCCESS",
        "ci_master.builds.errors": "WorkerSetupError",
        "ci_master.compat.errors": "ConfigErrors",
        "ci_master.steps.source.base": "Source",
    },
    "buildbot.steps.source.gerrit": {
        "ci_master.steps.source.git": "Gerrit Git",
    },
    "buildbot.steps.source.git": {
        "ci_master.builds.composite": "CompositeStepMixin",
        "ci_master.builds.errors": "WorkerSetupError",
        "ci_master.steps.source.base": "Source",
        "ci_master.steps.source.git": "Git",
        "ci_master.steps.source.gitchange": "GitCommit GitPush GitTag",
    },
    "buildbot.steps.source.github": {
        "ci_master.steps.source.git": "Git GitHub",
    },
    "buildbot.steps.source.gitlab": {
        "ci_master.steps.source.git": "Git GitLab",
    },
    "buildbot.steps.source.mercurial": {
        "ci_common.results": "SUCCESS",
        "ci_master.builds.errors": "WorkerSetupError",
        "ci_master.compat.errors": "ConfigErrors",
        "ci_master.steps.source.base": "Source",
    },
    "buildbot.steps.source.mtn": {
        "ci_common.results": "SUCCESS",
        "ci_master.builds.errors": "WorkerSetupError",
        "ci_master.compat.errors": "ConfigErrors",
        "ci_master.steps.source.base": "Source",
    },
    "buildbot.steps.source.p4": {
        "ci_master.builds.errors": "WorkerSetupError",
        "ci_master.builds.interpolate": "Interpolate",
        "ci_master.steps.source.base": "Source",
    },
    "buildbot.steps.source.repo": {
        "ci_master.builds.interfaces": "IRenderable",
        "ci_master.steps.source.base": "Source",
    },
    "buildbot.steps.source.svn": {
        "ci_master.builds.errors": "WorkerSetupError",
        "ci_master.compat.errors": "ConfigErrors",
        "ci_master.steps.source.base": "Source",
    },
    "buildbot.steps.subunit": {
        "ci_common.results": "FAILURE SUCCESS",
    },
    "buildbot.steps.transfer": {
        "ci_common.results": "FAILURE SKIPPED SUCCESS",
        "ci_master.builds.buildstep": "BuildStep",
        "ci_master.builds.composite": "CompositeStepMixin",
        "ci_master.builds.errors": "WorkerSetupError",
        "ci_master.steps.transfer": (
            "DirectoryUpload FileDownload FileUpload JSONPropertiesDownload "
            "JSONStringDownload MultipleFileUpload StringDownload"
        ),
    },
    "buildbot.steps.trigger": {
        "ci_common.results": "ALL_RESULTS CANCELLED EXCEPTION SUCCESS",
        "ci_master.builds.buildstep": "BuildStep",
        "ci_master.builds.interfaces": "IRenderable",
        "ci_master.builds.properties": "Properties",
        "ci_master.builds.renderables": "Property",
        "ci_master.steps.trigger": "Trigger",
    },
    "buildbot.steps.vstudio": {
        "ci_master.builds.logobserver": "LogLineObserver",
    },
    "buildbot.steps.worker": {
        "ci_common.results": "FAILURE SUCCESS",
        "ci_master.builds.composite": "CompositeStepMixin",
        "ci_master.steps.master": "SetPropertiesFromEnv",
        "ci_master.steps.worker": (
            "CopyDirectory FileExists MakeDirectory RemoveDirectory WorkerBuildStep"
        ),
    },
    "buildbot.util": {
        "ci_master.builds.configchecks": "safeTranslate",
        "ci_master.builds.interfaces": "IConfigured",
        "ci_master.builds.renderables": "flatten",
        "ci_master.data.filters": "NotABranch",
        "ci_master.data.recorded": "ComparableMixin",
    },
    "buildbot.util.codebase": {
        "ci_master.schedulers.codebases": "AbsoluteSourceStampsMixin",
    },
    "buildbot.util.config": {
        "ci_master.builds.interfaces": "IConfigured",
    },
    "buildbot.util.git": {
        "ci_master.builds.composite": "CompositeStepMixin",
        "ci_master.builds.properties": "Properties",
        "ci_master.data.recorded": "ComparableMixin",
    },
    "buildbot.util.git_credential": {
        "ci_master.builds.interfaces": "IRenderable",
        "ci_master.data.recorded": "ComparableMixin",
    },
    "buildbot.util.httpclientservice": {
        "ci_master.data.endpoints.steps": "log",
    },
    "buildbot.util.kubeclientservice": {
        "ci_master.data.endpoints.steps": "log",
    },
    "buildbot.util.lineboundaries": {
        "ci_master.data.endpoints.steps": "log",
    },
    "buildbot.util.service": {
        "ci_master.builds.properties": "Properties",
        "ci_master.data.service": "BuildbotService ClusteredBuildbotService",
    },
    "buildbot.util.ssfilter": {
        "ci_master.data.filters": "NotABranch SourceStampFilter",
        "ci_master.data.recorded": "ComparableMixin",
    },
    "buildbot.util.subscription": {
        "ci_master.builds.log": "Subscription",
    },
    "buildbot.version": {
        "ci_master.compat.versions": "version",
    },
    "buildbot.worker": {
        "ci_master.workers.config": "AbstractWorker Worker",
    },
    "buildbot.worker.base": {
        "ci_master.builds.properties": "Properties",
        "ci_master.workers.config": "AbstractWorker Worker",
    },
    "buildbot.worker.latent": {
        "ci_master.workers.config": "AbstractWorker",
    },
    "buildbot.worker.local": {
        "ci_master.workers.config": "Worker",
        "ci_master.workers.local": "LocalWorker",
    },
    "buildbot.worker.protocols.base": {
        "ci_master.data.recorded": "ComparableMixin",
    },
    "buildbot.worker.protocols.manager.pb": {
        "ci_master.builds.properties": "Properties",
    },
    "buildbot.www.auth": {
        "ci_www.auth.identity": "RemoteUserAuth",
    },
    "buildbot.www.authz.authz": {
        "ci_master.builds.interfaces": "IConfigured",
    },
    "buildbot.www.config": {
        "ci_master.builds.interfaces": "IConfigured",
    },
    "buildbot.www.hooks.github": {
        "ci_master.builds.properties": "Properties",
    },
    "buildbot.www.hooks.gitlab": {
        "ci_master.builds.properties": "Properties",
    },
    "buildbot.www.hooks.poller": {
        "ci_master.changes.base": "ReconfigurablePollingChangeSource",
    },
    "buildbot.www.oauth2": {
        "ci_master.builds.properties": "Properties",
        "ci_www.pages.log": "log",
    },
    "buildbot.www.resource": {
        "ci_www.pages.page": "Redirect",
    },
    "buildbot.www.rest": {
        "ci_master.data.resultspec": "ResultSpec",
    },
}

#: Modules of Buildbot that have modules below them.
PACKAGES = frozenset(
    {
        "buildbot",
        "buildbot.changes",
        "buildbot.clients",
        "buildbot.config",
        "buildbot.configurators",
        "buildbot.data",
        "buildbot.db",
        "buildbot.process",
        "buildbot.reporters",
        "buildbot.reporters.generators",
        "buildbot.schedulers",
        "buildbot.scripts",
        "buildbot.secrets",
        "buildbot.secrets.providers",
        "buildbot.steps",
        "buildbot.steps.package",
        "buildbot.steps.package.deb",
        "buildbot.steps.package.rpm",
        "buildbot.steps.source",
        "buildbot.util",
        "buildbot.worker",
        "buildbot.worker.protocols",
        "buildbot.worker.protocols.manager",
        "buildbot.www",
        "buildbot.www.authz",
        "buildbot.www.hooks",
    }
)
