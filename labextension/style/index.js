import '../../murakkab_jupyter/notebook/views/js/views.css';
import './cells.css';
import './views.css';
import './panel.css';
