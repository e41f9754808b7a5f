/**
 * Murakkab in JupyterLab: colours in cells, plans and runs to explore, a panel, and commands. Everything here is
 * an extra: the kernel's own output says the same without it.
 */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette, ISessionContextDialogs } from '@jupyterlab/apputils';
import { EditorExtensionRegistry, IEditorExtensionRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { CATEGORY, Commander, IDS, LOAD, putLine, takeLine } from './commands';
import { highlighting } from './highlight';
import { KernelLink } from './link';
import { MurakkabPanel } from './panel';
import { factories } from './renderers';

const highlight: JupyterFrontEndPlugin<void> = {
  id: 'murakkab-jupyter:highlight',
  description: 'Colours in %%murakkab cells.',
  autoStart: true,
  requires: [IEditorExtensionRegistry],
  activate: (_: JupyterFrontEnd, editors: IEditorExtensionRegistry) => {
    editors.addExtension({
      name: 'murakkab-highlighting',
      default: true,
      factory: () => EditorExtensionRegistry.createConditionalExtension(highlighting),
      schema: {
        type: 'boolean',
        title: 'Colours in %%murakkab cells',
        description: 'Header, steps, references, levels, pins and prompts in colours of their own.'
      }
    });
  }
};

const views: JupyterFrontEndPlugin<void> = {
  id: 'murakkab-jupyter:views',
  description: 'Plans, runs and results to explore, in place of their static form.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [ISettingRegistry, INotebookTracker],
  activate: async (_: JupyterFrontEnd, registry: IRenderMimeRegistry, settings: ISettingRegistry | null, tracker: INotebookTracker | null) => {
    const made = factories(
      registry,
      (node, workflow, plan) => takeLine(tracker, node, workflow, plan),
      (node, line) => putLine(tracker, node, line)
    );
    const apply = (interactive: boolean): void => {
      for (const factory of made) {
        if (interactive) {
          registry.addFactory(factory);
        } else {
          factory.mimeTypes.forEach(type => registry.removeMimeType(type));
        }
      }
    };
    // The settings first: JupyterLab waits for this before it draws any notebook.
    try {
      const own = await settings?.load(views.id);
      const read = (): void => apply(own?.get('interactive').composite !== false);
      own?.changed.connect(read);
      read();
    } catch {
      apply(true); // without settings the default holds
    }
  }
};

const panel: JupyterFrontEndPlugin<void> = {
  id: 'murakkab-jupyter:panel',
  description: 'A side panel of runs, workflows, workers and energy, and commands.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ILayoutRestorer, ISettingRegistry, ISessionContextDialogs],
  activate: async (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    settings: ISettingRegistry | null,
    dialogs: ISessionContextDialogs | null
  ) => {
    const link = new KernelLink(tracker);
    const commander = new Commander(tracker, link, dialogs);
    const widget = new MurakkabPanel(link, {
      load: () => void commander.line(LOAD),
      act: verb => void app.commands.execute(IDS[verb]),
      stop: run => void commander.stop(run),
      say: line => void commander.line(line)
    });
    commander.register(app.commands);
    app.commands.addCommand(IDS.panel, {
      label: 'Show the Murakkab Panel',
      caption: 'Runs, workflows, workers and energy of the kernel in front',
      execute: () => app.shell.activateById(widget.id),
      describedBy: { args: { type: 'object', properties: {} } }
    });
    for (const command of Object.values(IDS)) {
      palette?.addItem({ command, category: CATEGORY });
    }
    const place = (side: unknown): void => {
      app.shell.add(widget, side === 'left' ? 'left' : 'right', { rank: 850, type: 'Murakkab' });
    };
    try {
      const own = await settings?.load(panel.id);
      place(own?.get('side').composite);
      own?.changed.connect(() => place(own.get('side').composite));
    } catch {
      place('right');
    }
    restorer?.add(widget, 'murakkab-panel');
  }
};

export default [highlight, views, panel];
