import './cells.css';
import './views.css';
import './panel.css';
